import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { monthlyEur } from "../../policy/catalog.ts";
import { rules } from "../../policy/rules/index.ts";
import { repository } from "../_repository.ts";
import { allPages } from "./_pages.ts";

it("a price on a page is that of the catalogue, or the policy's limit", async () => {
  const limit = rules.find(({ name }) => name === "cost-above-limit")?.settings.shape["monthlyEur"]?.parse(undefined);
  const pages = (await allPages())
    .map(({ file }) => file)
    .filter((file) => /^(README|docs\/(quickstart|ci))\.md$/.test(file));
  const found = pages.flatMap((file) => {
    const text = readFileSync(join(repository, file), "utf8");
    return [...text.matchAll(/(\d+(?:\.\d+)?) EUR a month/g)].map(([, price]) => ({ file, price: Number(price) }));
  });
  expect(found.filter(({ price }) => price !== monthlyEur["cx43"] && price !== limit)).toEqual([]);
  expect(new Set(found.map(({ file }) => file))).toEqual(new Set(pages));
});
