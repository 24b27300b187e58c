import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import * as infra from "../../components/index.ts";
import { apiReference } from "../../scripts/_build/api-reference.ts";
import { repository } from "../_repository.ts";

it("docs/api.md is what the sources say: npm run api", () => {
  expect(readFileSync(join(repository, "docs", "api.md"), "utf8")).toBe(apiReference(repository));
}, 60_000);

it("docs/api.md has a section for each name that the package exports", () => {
  const sections = readFileSync(join(repository, "docs", "api.md"), "utf8").match(/(?<=^## )\w+/gm) ?? [];
  expect(sections).toEqual(expect.arrayContaining(Object.keys(infra)));
  expect(Object.keys(infra).length).toBeGreaterThan(5);
});
