import { readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import ts from "typescript";
import { expect, it } from "vitest";
import { wholeProgram, withChildren } from "../../../cli/program.ts";
import { repository } from "../../_repository.ts";

/**
 * One copy of every text that a person reads, so that a change of it is seen in the diff as it will be read. After a change:
 * `npm test -- test/docs/golden -u`.
 */
it("the help of every command is the one that was reviewed", async () => {
  const texts = withChildren(await wholeProgram()).map((command) => {
    let text = "";
    const keep = (part: string) => {
      text += part;
    };
    command.configureOutput({ writeOut: keep, getOutHelpWidth: () => 100 });
    command.outputHelp();
    return text.replaceAll(repository, "…").trim();
  });
  expect(texts.length).toBeGreaterThan(50);
  await expect(`${texts.join("\n\n----\n\n")}\n`).toMatchFileSnapshot("help.txt");
}, 120_000);

it("every problem and every fix that an error names is the one that was reviewed", async () => {
  const { stdout } = await execa(
    "git",
    ["ls-files", "--cached", "--others", "--exclude-standard", "cli", "core", "engine"],
    {
      cwd: repository,
    },
  );
  const files = stdout.split("\n").filter((file) => file.endsWith(".ts"));
  const sections = files.sort().flatMap((file) => {
    const found = [...new Set(messagesIn(file, readFileSync(join(repository, file), "utf8")))];
    return found.length === 0 ? [] : [`${file}\n${found.map((text) => `  ${text}\n`).join("")}`];
  });
  expect(sections.length).toBeGreaterThan(100);
  await expect(sections.join("\n")).toMatchFileSnapshot("messages.txt");
}, 60_000);

it.each([
  ["const problem = `${host} has no disk.`;", ["{…} has no disk."]],
  ['throw new UserError("There is no stack file.");', ["There is no stack file."]],
  [
    'const each = { problem: isSmall ? "is too small." : "is too large.", fix: "Choose another one." };',
    ["is too small.", "is too large.", "Choose another one."],
  ],
  ['say("this is progress, not an error");', []],
])("texts are found in %s", (code, texts) => {
  expect(messagesIn("code.ts", code)).toEqual(texts);
});

/** Texts that become the problem or the fix of an error, with `{…}` for what only a run knows. */
function messagesIn(file: string, code: string): string[] {
  const source = ts.createSourceFile(file, code, ts.ScriptTarget.Latest, true);
  const found: string[] = [];
  const visit = (node: ts.Node, isMessage: boolean): void => {
    const text = textOf(node);
    if (isMessage && text !== undefined && text.includes(" ")) found.push(text.replaceAll("\n", "\\n"));
    if (text === undefined || ts.isTemplateExpression(node))
      node.forEachChild((child) => visit(child, isMessage || startsMessage(node, child)));
  };
  visit(source, false);
  return found;
}

/** Whether a part of a node is the text of an error. */
function startsMessage(node: ts.Node, part: ts.Node): boolean {
  if ((ts.isPropertyAssignment(node) || ts.isVariableDeclaration(node)) && part === node.initializer)
    return /^(?:problem|fix)$/.test(node.name.getText());
  return ts.isNewExpression(node) && node.expression.getText() === "UserError" && part === node.arguments?.[0];
}

function textOf(node: ts.Node): string | undefined {
  if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) return node.text;
  if (ts.isTemplateExpression(node))
    return node.head.text + node.templateSpans.map(({ literal }) => `{…}${literal.text}`).join("");
  return undefined;
}
