import { existsSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, it } from "vitest";
import { repository } from "../_repository.ts";
import { allPages } from "./_pages.ts";

it("every link of every page leads to a file that is there, and to a heading of it", async () => {
  const pages = await allPages();
  const broken: string[] = [];
  const links = pages.flatMap(({ file, links: each }) => each.map((link) => ({ file, ...link })));
  const local = links.filter(({ href }) => !/^[a-z]+:/.test(href));
  for (const { file, where, href } of local) {
    const [path = "", anchor] = href.split("#");
    const target = path === "" ? file : normalize(join(dirname(file), path));
    const page = pages.find((each) => each.file === target);
    if (!existsSync(join(repository, target))) broken.push(`${where}: there is no ${target}`);
    else if (anchor !== undefined && !page?.anchors.has(anchor)) broken.push(`${where}: ${target} has no #${anchor}`);
  }
  expect(broken).toEqual([]);
  expect(local.length).toBeGreaterThan(50);
});
