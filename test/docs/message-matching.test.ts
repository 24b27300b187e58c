import { readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import ts from "typescript";
import { expect, it } from "vitest";
import { repository } from "../_repository.ts";

/** Files that read messages of other programs, which offer nothing better. */
const parsersOfOthers: Readonly<Record<string, string>> = {
  "cli/command-line/refusals.ts": "commander names the option, and what it suggests, only in its message",
  "engine/stack.ts": "Pulumi's CLI says the reason in a line that begins with error:",
  "policy/from-engine.ts": "Pulumi's policy SDK throws a plain Error for a value that a preview does not know",
};

const stringMethods = new Set(["match", "matchAll", "includes", "startsWith", "endsWith", "search", "indexOf"]);
const regexMethods = new Set(["test", "exec"]);
const isMessage = /(?:^|\.)(?:message|summary|problem|fix)$|\bmessageOf\(/;

/** Calls that decide something by the words of a message, as `line: call`. */
function decisionsByMessage(text: string): string[] {
  const source = ts.createSourceFile("x.ts", text, ts.ScriptTarget.Latest, true);
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
      const { name, expression } = node.expression;
      const subject = stringMethods.has(name.text)
        ? expression.getText()
        : regexMethods.has(name.text)
          ? (node.arguments[0]?.getText() ?? "")
          : "";
      const line = source.getLineAndCharacterOfPosition(node.getStart()).line + 1;
      if (isMessage.test(subject)) found.push(`${line}: ${node.getText()}`);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

it("no source decides by the words of a message: errors have codes", async () => {
  const folders = ["cli", "core", "components", "engine", "policy", "index.ts"];
  const { stdout } = await execa("git", ["ls-files", "--cached", "--others", "--exclude-standard", ...folders], {
    cwd: repository,
  });
  const files = stdout.split("\n").filter((file) => file.endsWith(".ts"));
  expect(files.length).toBeGreaterThan(200);
  const found = new Map<string, string[]>();
  for (const file of files) {
    const decisions = decisionsByMessage(readFileSync(join(repository, file), "utf8"));
    if (decisions.length > 0) found.set(file, decisions);
  }
  const unexpected = [...found].filter(([file]) => !(file in parsersOfOthers));
  expect(unexpected.flatMap(([file, calls]) => calls.map((call) => `${file}:${call}`))).toEqual([]);
  expect(Object.keys(parsersOfOthers).filter((file) => !found.has(file))).toEqual([]);
});

it.each([
  'if (error.message.startsWith("web-1: ")) retry();',
  "const [, line] = /line (\\d+)/.exec(problem.problem) ?? [];",
  'const isLost = messageOf(error).includes("lost contact");',
  "if (/not YAML/.test(message)) return;",
])("such a decision is found: %s", (code) => {
  expect(decisionsByMessage(code)).toHaveLength(1);
});

it.each(['const text = message.split("\\n").join(" ");', 'problems.some(({ code }) => code === "open");'])(
  "that does not decide by a message: %s",
  (code) => {
    expect(decisionsByMessage(code)).toEqual([]);
  },
);
