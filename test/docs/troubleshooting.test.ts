import { readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import ts from "typescript";
import { expect, it } from "vitest";
import { repository } from "../_repository.ts";
import { allPages, codeIn } from "./_pages.ts";

/** What stands for a part that differs, here and in the page. */
const hole = "…";

/** Every text of each source file that can be printed: strings, and templates with a hole for each part that differs. */
async function textsOfCode(): Promise<string[][]> {
  const asked = [
    "ls-files",
    "--cached",
    "--others",
    "--exclude-standard",
    "cli",
    "components",
    "core",
    "engine",
    "toolchain",
  ];
  const { stdout } = await execa("git", asked, { cwd: repository });
  return stdout
    .split("\n")
    .filter((file) => file.endsWith(".ts"))
    .map((file) => {
      const source = ts.createSourceFile(
        file,
        readFileSync(join(repository, file), "utf8"),
        ts.ScriptTarget.Latest,
        true,
      );
      const found: string[] = [];
      const visit = (node: ts.Node): void => {
        if (ts.isImportDeclaration(node)) return;
        const text = textOf(node);
        if (text !== undefined) found.push(text);
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

/** A part of a text with at most what the page leaves out between its own parts. */
const matches = (quoted: string, text: string) =>
  new RegExp(
    quoted
      .split(hole)
      .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`))
      .join(".*?"),
    "s",
  ).test(text);

/** Whether a file has it as one text, or as a problem and its fix, which are printed one after the other. */
function isIn(texts: readonly string[], quoted: string): boolean {
  const has = (part: string) => texts.some((text) => matches(part, text));
  if (has(quoted)) return true;
  const ends = [...quoted.matchAll(/\. /g)].map(({ index }) => index + 1);
  return ends.some((end) => has(quoted.slice(0, end)) && has(quoted.slice(end + 1)));
}

it("every error that docs/troubleshooting.md quotes is one that the sources have", async () => {
  const page = (await allPages()).find(({ file }) => file === "docs/troubleshooting.md");
  const quoted = (page?.rows ?? []).flatMap(([first = []]) => codeIn(first));
  expect(quoted.length).toBeGreaterThan(50);
  const files = await textsOfCode();
  expect(quoted.filter((each) => !files.some((texts) => isIn(texts, each)))).toEqual([]);
  // So short a constant part would be found anywhere.
  expect(quoted.filter((each) => each.replaceAll(hole, "").length < 15)).toEqual([]);
});

it("a text that the sources do not have is found out", async () => {
  const files = await textsOfCode();
  const isSaid = (quoted: string) => files.some((texts) => isIn(texts, quoted));
  expect(isSaid("no SSH on … within … s. Is your address still within")).toBe(true);
  expect(isSaid("no SSH on … within … minutes. Is your address")).toBe(false);
  expect(isSaid("there is no identity here to decrypt it with. Restore one from a backup.")).toBe(true);
  expect(isSaid("there is no identity here to decrypt it with. Then: clawdlets up")).toBe(false);
});
