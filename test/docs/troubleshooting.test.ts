import { readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import ts from "typescript";
import { expect, it } from "vitest";
import { repository } from "../_repository.ts";
import { allPages, codeIn } from "./_pages.ts";

/** What stands for a part that differs, here and in the page. */
const hole = "…";

/** Every text of the sources that can be printed: strings, templates with their parts that differ as a hole, texts that are added up. */
async function textsOfCode(): Promise<string[]> {
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
    .flatMap((file) => {
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

it("every error that docs/troubleshooting.md quotes is one that the sources have", async () => {
  const page = (await allPages()).find(({ file }) => file === "docs/troubleshooting.md");
  const quoted = (page?.rows ?? []).flatMap(([first = []]) => codeIn(first));
  expect(quoted.length).toBeGreaterThan(50);
  const texts = await textsOfCode();
  expect(quoted.filter((each) => !texts.some((text) => matches(each, text)))).toEqual([]);
  // So short a constant part would be found anywhere.
  expect(quoted.filter((each) => each.replaceAll(hole, "").length < 15)).toEqual([]);
});

it("a text that the sources do not have is found out", async () => {
  const texts = await textsOfCode();
  expect(texts.some((text) => matches("no SSH on … within … s. Is your address still within", text))).toBe(true);
  expect(texts.some((text) => matches("no SSH on … within … minutes. Is your address", text))).toBe(false);
});
