import { describe, expect, it } from "vitest";
import { messageOf } from "../../core/base/errors.ts";
import { describeWith } from "../_needs.ts";
import { evaluate } from "../nix/_nix.ts";
import { helpExamples, isName, refusalOf } from "./_clawdlets.ts";
import { jsonProblems, nixProblems, typeProblems, yamlProblems } from "./_config.ts";
import { allPages, pageOf, type Snippet } from "./_pages.ts";
import { commandProblem, sudoProblem } from "./_programs.ts";
import { commandsIn } from "./_shell.ts";

/** Made from the sources and held to them by test/package/api-reference: signatures without bodies. */
const generated = ["docs/api.md"];

const pages = await allPages();
const snippets = pages.filter(({ file }) => !generated.includes(file)).flatMap((page) => page.snippets);
const ofKind = (...kinds: string[]) => snippets.filter(({ kind }) => kinds.includes(kind));

const problemsOf = async ({ text }: Pick<Snippet, "text">): Promise<string[]> => {
  let commands: string[][];
  try {
    commands = commandsIn(text);
  } catch (error) {
    return [`no shell can read it: ${messageOf(error)}`];
  }
  const found = await Promise.all(commands.map(async (argv) => ({ argv, said: await commandProblem(argv) })));
  return found.flatMap(({ argv, said }) => (said === undefined ? [] : [`${argv.join(" ")}: ${said}`]));
};

async function all(given: readonly Snippet[], check: (snippet: Snippet) => Promise<string[]> | string[]) {
  const found = await Promise.all(
    given.map(async (snippet) => (await check(snippet)).map((text) => `${snippet.where}: ${text}`)),
  );
  return found.flat();
}

describe("every snippet of every page", () => {
  it("is of a kind that is checked", () => {
    const kinds = ["sh", "json", "yaml", "ts", "nix", "mermaid", "text"];
    expect(snippets.filter(({ kind }) => !kinds.includes(kind))).toEqual([]);
    expect(new Set(pages.map(({ file }) => file))).toContain("README.md");
    expect(snippets.length).toBeGreaterThan(50);
  });

  it("that is shell names programs, options and values that there are", async () => {
    expect(await all(ofKind("sh"), problemsOf)).toEqual([]);
  }, 120_000);

  it("that is left unchecked as text hides no command, and a drawing is in the page whose test reads it", () => {
    const hidden = ofKind("text").filter(({ text }) =>
      /^\s*\$?\s*(npx|npm|clawdlets|pulumi|sudo|nix|git) /m.test(text),
    );
    expect(hidden).toEqual([]);
    expect(ofKind("mermaid").map(({ where }) => where.split(":")[0])).toEqual(["docs/architecture.md"]);
  });

  it("that is JSON or YAML is taken by the schema it is for", async () => {
    expect(await all(ofKind("json"), jsonProblems)).toEqual([]);
    expect(await all(ofKind("yaml"), yamlProblems)).toEqual([]);
  });

  it("that is TypeScript compiles against the components", () => {
    expect(ofKind("ts").length).toBeGreaterThan(0);
    expect(typeProblems(ofKind("ts"))).toEqual([]);
  }, 120_000);

  it("within a sentence or a table, where it begins like a command of ours, is one or is the name of one", async () => {
    const ours = /^(npx (--no-install )?)?clawdlets [a-z]|^npm (run|test|start)/;
    const spans = pages.flatMap((page) => page.spans).filter(({ text }) => ours.test(text));
    expect(spans.length).toBeGreaterThan(120);
    const check = async (span: Snippet) => ((await isName(span.text)) ? [] : problemsOf(span));
    expect(await all(spans, check)).toEqual([]);
  }, 120_000);
});

describeWith({ programs: ["nix-instantiate"] }, "every snippet for Nix", () => {
  it("of a sudo command line is one that the host's own list allows", async () => {
    const list = `(import ./nix/lib/sudoers.nix).commands { bots = [ "maren" ]; rebuild = true; push = true; backups = true; tailnet = true; }`;
    const rules = (await evaluate(list)) as string[];
    const asked = ofKind("sh")
      .flatMap(({ text }) => commandsIn(text))
      .filter(([program, n]) => program === "sudo" && n === "-n");
    expect(asked.length).toBeGreaterThan(8);
    expect(asked.flatMap(([, , ...argv]) => sudoProblem(argv, rules) ?? [])).toEqual([]);
    expect(sudoProblem(["/run/current-system/sw/bin/systemctl", "stop", "sshd.service"], rules)).toMatch(/may not/);
  }, 60_000);

  it("is a module, or settings of one, that our modules take", async () => {
    expect(ofKind("nix").length).toBeGreaterThan(0);
    expect(await all(ofKind("nix"), nixProblems)).toEqual([]);
  }, 120_000);
});

describe("every example in --help", () => {
  it("is a command line that the program takes", async () => {
    const examples = await helpExamples();
    expect(examples.length).toBeGreaterThan(50);
    expect(
      await all(
        examples.map(({ command, line }) => ({ where: command, kind: "sh", text: line })),
        problemsOf,
      ),
    ).toEqual([]);
  }, 60_000);
});

describe("the check itself refuses", () => {
  it.each([
    ["an option that there is not", "clawdlets up --hosts web-1", /--hosts: clawdlets up has no such option/],
    ["a command that there is not", "clawdlets secrets remake", /remake: clawdlets secrets has no such command/],
    [
      "a value that is not allowed",
      "clawdlets window open --minutes 500",
      /--minutes: is "500"; allowed: whole minutes, 1 to 240/,
    ],
    ["a choice that there is not", "clawdlets doctor --scope all", /--scope: is "all"; allowed: repo, stack, deploy/],
    ["options that exclude each other", "clawdlets up --rev 0123 --ref main", /cannot be combined with --ref/],
    ["an argument that is missing", "clawdlets secrets edit", /needs <name>/],
    [
      "the same within a pipe, a list and $(…)",
      'cd x && eval "$(npx --no-install clawdlets envs)" | cat',
      /envs: clawdlets has no such command/,
    ],
    [
      "an option that npm start does not have",
      "npm start -- --destroys",
      /--destroys: clawdlets demo has no such option/,
    ],
    ["a script that there is not", "npm run benchmark", /package\.json has no script "benchmark"/],
    ["a file that there is not", "sh scripts/set-up.sh", /there is no scripts\/set-up\.sh/],
    ["an option that the engine does not have", "pulumi up --skip-previews", /pulumi up has no --skip-previews/],
    ["a command that the engine does not have", "pulumi apply", /the engine has no "pulumi apply"/],
    ["a program that nobody has said how to check", "terraform apply", /nothing here knows how to check "terraform"/],
  ])("%s", async (_, text, reason) => {
    expect(await problemsOf({ text })).toEqual([expect.stringMatching(reason)]);
  });

  it("a group of commands alone, as nothing would be run", async () => {
    expect(await refusalOf(["secrets"])).toBeDefined();
  });

  it("a setting, a type and a fence that there are not", () => {
    const [yaml, json, code, odd] = pageOf(
      "x.md",
      '```yaml\nconfig:\n  clawdlets:serverTyp: cx43\n```\n\n```json\n{"cost-above-limit": {"monthlyEu": 1}}\n```\n\n```ts\nimport { Hosts } from "@clawdlets/infra";\n```\n\n```\nwhat?\n```\n',
    ).snippets as [Snippet, Snippet, Snippet, Snippet];
    expect(yamlProblems(yaml).join()).toMatch(/serverTyp/);
    expect(jsonProblems(json).join()).toMatch(/monthlyEu/);
    expect(typeProblems([code]).join()).toMatch(/no exported member named 'Hosts'|no exported member 'Hosts'/);
    expect(odd.kind).toBe("");
  }, 60_000);
});
