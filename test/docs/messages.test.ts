import { readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import ts from "typescript";
import { expect, it } from "vitest";
import { repository } from "../_repository.ts";
import { isName, refusalOf } from "./_clawdlets.ts";

/** What stands for a part of a text that only a run knows. */
const hole = "web-1";

interface Said {
  file: string;
  text: string;
}

/** Every text of the sources that a person may be shown: strings, and templates with their parts that differ as a host's name. */
async function textsOfCode(): Promise<Said[]> {
  const folders = ["cli", "components", "core", "emulator", "engine", "policy", "toolchain", "index.ts"];
  const asked = ["ls-files", "--cached", "--others", "--exclude-standard", ...folders];
  const { stdout } = await execa("git", asked, { cwd: repository });
  const files = stdout.split("\n").filter((file) => /\.(ts|mjs)$/.test(file));
  return files.flatMap((file) => {
    const text = readFileSync(join(repository, file), "utf8");
    const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
    const found: Said[] = [];
    const visit = (node: ts.Node): void => {
      if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return;
      const said = textOf(node);
      if (said !== undefined) found.push({ file, text: said });
      node.forEachChild(visit);
    };
    visit(source);
    return found;
  });
}

function textOf(node: ts.Node): string | undefined {
  if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) return node.text;
  if (ts.isTemplateExpression(node))
    return node.head.text + node.templateSpans.map(({ literal }) => hole + literal.text).join("");
  return undefined;
}

/** Of a sentence with `clawdlets` in it, the words that belong to a command line: until one that cannot. */
const words = /(?<![\w@/.:-])(clawdlets|pulumi)((?: (?:--?[a-z][\w-]*|[\w./<>*'"$-]*[\w/>*'"-]))*)/g;

/** Where the name of the program is the subject of a sentence, or part of a name. */
const prose = new Set([
  "is",
  "as",
  "then",
  "did",
  "in",
  "and",
  "needs",
  "works",
  "wrote",
  "knows",
  "writes",
  "file",
  "bootstrap",
  "demo",
]);

function commandsIn({ file, text }: Said): { where: string; argv: string[] }[] {
  return [...text.matchAll(words)].flatMap(([, program = "", rest = ""]) => {
    const argv = rest
      .trim()
      .split(" ")
      .filter((word) => word !== "")
      .map((word) => word.replace(/^["']|["']$/g, ""));
    const [first] = argv;
    // The command is filled in at run time; it is checked where its own text is.
    if (first === undefined || first === hole || first.startsWith(">") || prose.has(first)) return [];
    return [{ where: `${file}: ${text.slice(0, 120)}`, argv: [program, ...argv] }];
  });
}

/** The longest beginning that the program takes: a message goes on after its command, "…: clawdlets up, then …". */
async function clawdletsProblem(argv: readonly string[]): Promise<string | undefined> {
  let said: string | undefined;
  for (let length = argv.length; length > 0; length -= 1) {
    const part = argv.slice(0, length);
    const next = argv[length];
    // An option that is not taken must not be left out as if it were the rest of the sentence.
    if (next?.startsWith("-")) return said;
    if (await isName(["clawdlets", ...part].join(" "))) return undefined;
    const refusal = await refusalOf(part);
    if (refusal === undefined || /: needs (?:a value: |<|--)|nothing would be run/.test(refusal)) return undefined;
    said = refusal;
  }
  return said;
}

const pulumi = join(repository, ".toolchain", "bin", "pulumi");
const helps = new Map<string, Promise<string>>();
const helpOf = (path: string[]) => {
  const key = path.join(" ");
  const known = helps.get(key);
  if (known) return known;
  const asked = execa(pulumi, [...path, "--help"], {
    reject: false,
    all: true,
    env: { PULUMI_SKIP_UPDATE_CHECK: "true" },
  });
  const help = asked.then(({ all }) => all);
  helps.set(key, help);
  return help;
};

async function pulumiProblem(argv: readonly string[]): Promise<string | undefined> {
  const [first = "", second] = argv;
  const top = await helpOf([]);
  if (!new RegExp(`^ {2}${first} +`, "m").test(top)) return `pulumi has no command "${first}"`;
  const own = await helpOf([first]);
  const isGroup = /Available Commands:/.test(own);
  if (isGroup && second !== undefined && !second.startsWith("-")) {
    const isListed = new RegExp(`^ {2}${second} +`, "m").test(own);
    // e.g. `pulumi stack init`, which is another name of `new`.
    const isAlias = new RegExp(`Aliases:\\n.*\\b${second}\\b`).test(await helpOf([first, second]));
    if (!isListed && !isAlias) return `pulumi ${first} has no command "${second}"`;
  }
  const help = isGroup && second !== undefined ? await helpOf([first, second]) : own;
  const wrong = argv.filter((word) => word.startsWith("--") && !help.includes(word.split("=")[0] ?? ""));
  return wrong.length > 0 ? `pulumi ${first} has no ${wrong.join(", ")}` : undefined;
}

const problemOf = ([program = "", ...argv]: readonly string[]) =>
  program === "pulumi" ? pulumiProblem(argv) : clawdletsProblem(argv);

it("every command that a message advises is there, with the options that it names", async () => {
  const commands = (await textsOfCode()).flatMap(commandsIn);
  expect(commands.length).toBeGreaterThan(100);
  const found: string[] = [];
  for (const { where, argv } of commands) {
    const problem = await problemOf(argv);
    if (problem !== undefined) found.push(`${where}\n  ${argv.join(" ")}: ${problem}`);
  }
  expect(found.join("\n")).toBe("");
}, 120_000);

it.each([
  'Set up the tools: "npx --no-install clawdlets toolchain"',
  "Make it: clawdlets secrets make --host web-1",
  "check it with clawdlets status --colour",
  "then: pulumi unlock --stack web-1",
  "then: pulumi stack forget web-1",
  "then: pulumi cancel --force-it",
])(
  "a command that is not there is found out: %s",
  async (text) => {
    const commands = commandsIn({ file: "", text });
    expect(commands).toHaveLength(1);
    expect(await problemOf(commands[0]?.argv ?? [])).toBeDefined();
  },
  120_000,
);
