import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { execa } from "execa";
import ts from "typescript";
import { expect, it } from "vitest";
import { repository } from "../_repository.ts";
import { allPages } from "./_pages.ts";

/** `from --> to` of every import that leaves its folder, with a file that has it. Types count: they are read as well. */
async function importsOfCode(): Promise<Map<string, string>> {
  const asked = ["ls-files", "--cached", "--others", "--exclude-standard", "*.ts", "*.mjs", "*.cjs"];
  const { stdout } = await execa("git", asked, { cwd: repository });
  const files = stdout.split("\n").filter((file) => !/^(test|examples)\/|^vitest\.config/.test(file));
  const arrows = new Map<string, string>();
  for (const file of files) {
    const { importedFiles } = ts.preProcessFile(readFileSync(join(repository, file), "utf8"), true, true);
    for (const { fileName } of importedFiles.filter((each) => each.fileName.startsWith("."))) {
      const [from = "", to = ""] = [file, normalize(join(dirname(file), fileName))].map(
        (path) => path.split("/")[0] ?? "",
      );
      // What was compiled of the same folder.
      if (from !== to && to !== "dist") arrows.set(`${from} --> ${to}`, file);
    }
  }
  return arrows;
}

const drawing = async () => {
  const page = (await allPages()).find(({ file }) => file === "docs/architecture.md");
  const { text = "" } = page?.snippets.find(({ kind }) => kind === "mermaid") ?? {};
  const names = new Map([...text.matchAll(/^ +(\w+)\["([\w./]+): /gm)].map(([, id = "", folder = ""]) => [id, folder]));
  const arrows = [...text.matchAll(/^ +(\w+) --> (\w+)$/gm)].map(
    ([, a = "", b = ""]) => `${names.get(a)} --> ${names.get(b)}`,
  );
  return { folders: [...names.values()], arrows, lines: text.split("\n").length };
};

it("the drawing has the arrows that the code's own imports have, and no others", async () => {
  const [drawn, real] = [await drawing(), await importsOfCode()];
  expect(drawn.arrows.sort()).toEqual([...real.keys()].sort());
  // A line that is neither folder nor arrow would be one that this test cannot read.
  expect(drawn.lines).toBe(1 + drawn.folders.length + drawn.arrows.length);
});

it("no arrow leads back, and core knows nothing of Pulumi", async () => {
  const real = await importsOfCode();
  const next = (folder: string) =>
    [...real.keys()]
      .filter((arrow) => arrow.startsWith(`${folder} --> `))
      .map((arrow) => arrow.split(" --> ")[1] ?? "");
  const reached = (folder: string, seen = new Set<string>()): Set<string> => {
    for (const each of next(folder)) if (!seen.has(each)) reached(each, seen.add(each));
    return seen;
  };
  const folders = (await drawing()).folders;
  expect(folders.filter((folder) => reached(folder).has(folder))).toEqual([]);
  expect(folders.filter((folder) => next(folder).length === 0).sort()).toEqual(["core", "emulator", "toolchain"]);
  const { stdout } = await execa("git", ["grep", "-lE", String.raw`from "@pulumi/`, "--", "core"], {
    cwd: repository,
    reject: false,
  });
  expect(stdout).toBe("");
});

it("every folder of core that the page lists is there, and none is missing", async () => {
  const { stdout } = await execa("git", ["ls-files", "core"], { cwd: repository });
  const real = new Set(stdout.split("\n").flatMap((file) => /^core\/([^/_]+)\//.exec(file)?.[1] ?? []));
  const page = readFileSync(join(repository, "docs", "architecture.md"), "utf8");
  const [, table = ""] = /## core, by subject\n([\s\S]*?)\n## /.exec(page) ?? [];
  const listed = [...table.matchAll(/`(\w+)\/`/g)].map(([, name]) => name);
  expect(listed.sort()).toEqual([...real].sort());
});
