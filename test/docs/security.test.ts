import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import { repository } from "../_repository.ts";
import { allPages, codeIn, type Page } from "./_pages.ts";

/** Titles as they stand in a test file; `%s`, `$name` and `${…}` become the page's `…`. */
function titlesOf(file: string): string[] {
  const path = join(repository, file);
  const files = statSync(path).isDirectory() ? readdirSync(path).map((name) => join(path, name)) : [path];
  return files.flatMap((each) => {
    const found: string[] = [];
    const source = ts.createSourceFile(each, readFileSync(each, "utf8"), ts.ScriptTarget.Latest, true);
    const visit = (node: ts.Node): void => {
      // Of a table too: the name of a row is its test's title, or part of it.
      if (ts.isStringLiteralLike(node)) found.push(node.text.replace(/%[sdijo]|\$[a-z][\w.]*/g, "…"));
      node.forEachChild(visit);
    };
    visit(source);
    return found;
  });
}

const security = async (): Promise<Page> => {
  const page = (await allPages()).find(({ file }) => file === "docs/security.md");
  return page ?? expect.fail("there is no docs/security.md");
};

/** Rows of the tables of promises: promise, how it is kept, test. The table of what is simulated has two columns. */
const promises = async () => (await security()).rows.filter(({ length }) => length === 3);

/** What a row's last cell names: test files, and the titles after each, up to the next file. */
async function shownBy(): Promise<{ promise: string; files: { file: string; titles: string[] }[] }[]> {
  return (await promises()).map((row) => {
    const [first = [], , last = []] = row;
    const text = last.map((token) => token.raw).join("");
    const files = [...text.matchAll(/`(test\/[^`]+)`([^`]*)/g)].map(([, file = "", rest = ""]) => {
      return { file, titles: [...rest.matchAll(/"([^"]+)"/g)].map(([, title = ""]) => title) };
    });
    return { promise: first.map((token) => token.raw).join(""), files };
  });
}

describe("docs/security.md", () => {
  it("names for every promise at least one test file that is there", async () => {
    const rows = await shownBy();
    expect(rows.length).toBeGreaterThan(30);
    expect(rows.filter(({ files }) => files.length === 0).map(({ promise }) => promise)).toEqual([]);
    const named = rows.flatMap(({ files }) => files.map(({ file }) => file));
    expect(named.filter((file) => !/\.test\.ts$/.test(file) || !existsSync(join(repository, file)))).toEqual([]);
  });

  it("names titles that those files have", async () => {
    const named = (await shownBy()).flatMap(({ files }) => files);
    const lost = named.flatMap(({ file, titles }) => {
      const real = titlesOf(file);
      return titles.filter((title) => !real.includes(title)).map((title) => `${file}: ${title}`);
    });
    expect(lost).toEqual([]);
    expect(named.flatMap(({ titles }) => titles).length).toBeGreaterThan(30);
  });

  it("keeps its promises in the last column: no other cell names a test", async () => {
    const others = (await promises()).flatMap((row) => row.slice(0, -1).flatMap(codeIn));
    expect(others.filter((code) => code.startsWith("test/"))).toEqual([]);
  });
});
