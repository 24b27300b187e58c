import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, it } from "vitest";
import { repository } from "../_repository.ts";
import { allPages } from "./_pages.ts";

/** Made from the sources' doc comments. */
const generated = ["docs/api.md"];

const wordsPerCell = 40;

it(`no table cell is longer than ${wordsPerCell} words: that is a paragraph`, async () => {
  const pages = (await allPages()).filter(({ file }) => !generated.includes(file));
  const cells = pages.flatMap(({ file, rows }) => rows.flat().map((tokens) => ({ file, text: textOf(tokens) })));
  expect(cells.length).toBeGreaterThan(500);
  expect(cells.filter(({ text }) => wordsIn(text) > wordsPerCell).map(({ file, text }) => `${file}: ${text}`)).toEqual(
    [],
  );
});

/** Test files and titles in security.md are references that a test checks, not prose. */
const textOf = (tokens: readonly { raw: string }[]) =>
  tokens
    .map(({ raw }) => raw)
    .join("")
    .replace(/`test\/[^`]+`[^`]*/g, "");
const wordsIn = (text: string) => text.split(/\s+/).filter((word) => /\w/.test(word)).length;

it("every picture is there, has a text for who cannot see it, and comes in light and dark", async () => {
  const pages = await allPages();
  const pictures = pages.flatMap(({ file }) => {
    const text = readFileSync(join(repository, file), "utf8");
    return [...text.matchAll(/<(?:img|source)\b[^>]*?\b(?:src|srcset)="([^"]+)"[^>]*>/g)].map(([tag, path = ""]) => ({
      file: normalize(join(dirname(file), path)),
      tag,
    }));
  });
  expect(pictures.filter(({ file }) => !existsSync(join(repository, file)))).toEqual([]);
  expect(pictures.filter(({ tag }) => tag.startsWith("<img") && !/\balt="[^"]{20,}"/.test(tag))).toEqual([]);
  const files = pictures.map(({ file }) => file);
  const single = files.filter((file) => file.includes("-light.") && !files.includes(file.replace("-light.", "-dark.")));
  expect(single).toEqual([]);
  expect(files).toContain("docs/images/host-light.svg");
});
