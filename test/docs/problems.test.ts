import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { problemCodes } from "../../core/base/problem-codes.ts";
import { repository } from "../_repository.ts";

const page = readFileSync(join(repository, "docs", "problems.md"), "utf8");
const rows = [...page.matchAll(/^\| `([a-z-]+)` \| (.+) \|$/gm)].map(([, code, meaning]) => [code, meaning]);

it("docs/problems.md lists every code, with its meaning, and no other", () => {
  expect(rows).toEqual(Object.entries(problemCodes));
});

it("codes are lower-case words with hyphens", () => {
  for (const code of Object.keys(problemCodes)) expect(code).toMatch(/^[a-z]+(-[a-z]+)*$/);
});
