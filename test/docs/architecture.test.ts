import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { execa } from "execa";
import ts from "typescript";
import { expect, it } from "vitest";
import { repository } from "../_repository.ts";
import { allPages } from "./_pages.ts";

interface Import {
  from: string;
  to: string;
}

/** Every import of one of our files by another. Types count: a reader has to open them as well. */
async function importsOfCode(): Promise<Import[]> {
  const asked = ["ls-files", "--cached", "--others", "--exclude-standard", "*.ts", "*.mjs", "*.cjs"];
  const { stdout } = await execa("git", asked, { cwd: repository });
  const files = stdout.split("\n").filter((file) => !/^(test|examples)\/|^vitest\.config/.test(file));
  return files.flatMap((from) => {
    const { importedFiles } = ts.preProcessFile(readFileSync(join(repository, from), "utf8"), true, true);
    return importedFiles
      .filter(({ fileName }) => fileName.startsWith("."))
      .map(({ fileName }) => ({ from, to: normalize(join(dirname(from), fileName)) }))
      .filter(({ to }) => !to.startsWith("dist/")) // Compiled from the same folder.
      .filter(({ to }) => !to.endsWith(".json")); // Data, which the host's half shares.
  });
}

/**
 * Imports between the entries of each folder: `level` is the folder, `from` and `to` are a subfolder or a file of it. The
 * root's level is "".
 */
function arrowsByLevel(imports: Import[]): Map<string, Import[]> {
  const levels = new Map<string, Import[]>();
  for (const { from, to } of imports) {
    const [a, b] = [from.split("/"), to.split("/")];
    let depth = 0;
    while (a[depth] === b[depth] && depth < Math.min(a.length, b.length) - 1) depth++;
    const level = a.slice(0, depth).join("/");
    levels.set(level, [...(levels.get(level) ?? []), { from: a[depth] ?? "", to: b[depth] ?? "" }]);
  }
  return levels;
}

/** The entries that an import chain leads back to, each with the chain. */
function cycles(arrows: Import[]): string[] {
  const next = new Map<string, Set<string>>();
  for (const { from, to } of arrows) if (from !== to) next.set(from, (next.get(from) ?? new Set()).add(to));
  const chainTo = (goal: string, at: string, seen: Set<string>): string[] | undefined => {
    for (const each of next.get(at) ?? []) {
      if (each === goal) return [at, each];
      if (seen.has(each)) continue;
      const rest = chainTo(goal, each, seen.add(each));
      if (rest) return [at, ...rest];
    }
    return undefined;
  };
  return [...next.keys()].flatMap((entry) => chainTo(entry, entry, new Set())?.join(" > ") ?? []);
}

it.each([
  [
    "two files that import each other",
    [
      ["a.ts", "b.ts"],
      ["b.ts", "a.ts"],
    ],
    ["a.ts > b.ts > a.ts", "b.ts > a.ts > b.ts"],
  ],
  [
    "a circle of three",
    [
      ["a", "b"],
      ["b", "c"],
      ["c", "a"],
    ],
    ["a > b > c > a", "b > c > a > b", "c > a > b > c"],
  ],
  [
    "one direction",
    [
      ["a", "b"],
      ["b", "c"],
      ["a", "c"],
    ],
    [],
  ],
] as [string, [string, string][], string[]][])("finds %s", (_what, pairs, found) => {
  expect(cycles(pairs.map(([from, to]) => ({ from, to })))).toEqual(found);
});

it("no level of the tree has a circle, from the root down to the files", async () => {
  const found = [...arrowsByLevel(await importsOfCode())].flatMap(([level, arrows]) =>
    cycles(arrows).map((chain) => `${level || "the root"}: ${chain}`),
  );
  expect(found).toEqual([]);
});

const filesPerFolder = 16;

/** Folders that are still too full. Remove a folder from here once it has been split: the test then fails until you do. */
const overfull = ["test/cli", "test/engine"];

it("no folder holds more sources than a reader can keep in mind", async () => {
  const asked = ["ls-files", "--cached", "--others", "--exclude-standard", "*.ts", "*.[cm]js", "*.nix", "*.sh", "*.go"];
  const { stdout } = await execa("git", asked, { cwd: repository });
  const files = stdout.split("\n").filter((file) => existsSync(join(repository, file)));
  const counts = new Map<string, number>();
  for (const file of files) counts.set(dirname(file), (counts.get(dirname(file)) ?? 0) + 1);
  const found = [...counts].filter(([, count]) => count > filesPerFolder).map(([folder]) => folder);
  expect(found.sort()).toEqual(overfull);
});

const floors = ["base", "project", "host", "tasks"];

it("a floor of core imports from floors below it only", async () => {
  const arrows = arrowsByLevel(await importsOfCode()).get("core") ?? [];
  expect(new Set(arrows.flatMap(({ from, to }) => [from, to]))).toEqual(new Set(floors));
  expect(arrows.filter(({ from, to }) => floors.indexOf(from) < floors.indexOf(to))).toEqual([]);
});

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
  const [drawn, real] = [await drawing(), arrowsByLevel(await importsOfCode())];
  const arrows = new Set((real.get("") ?? []).map(({ from, to }) => `${from} --> ${to}`));
  expect(drawn.arrows.sort()).toEqual([...arrows].sort());
  // A line that is neither folder nor arrow would be one that this test cannot read.
  expect(drawn.lines).toBe(1 + drawn.folders.length + drawn.arrows.length);
});

it("bin, core, emulator and toolchain stand alone, and core knows nothing of Pulumi", async () => {
  const arrows = arrowsByLevel(await importsOfCode()).get("") ?? [];
  const { folders } = await drawing();
  const importing = new Set(arrows.map(({ from }) => from));
  expect(folders.filter((folder) => !importing.has(folder)).sort()).toEqual(["bin", "core", "emulator", "toolchain"]);
  const asked = ["grep", "-lE", String.raw`from "@pulumi/`, "--", "core", ":!core/tasks/new/template"];
  expect((await execa("git", asked, { cwd: repository, reject: false })).stdout).toBe("");
});

it("every room of core that the page lists is there, and none is missing", async () => {
  const { stdout } = await execa("git", ["ls-files", "core"], { cwd: repository });
  const real = new Set(
    stdout.split("\n").flatMap((file) => {
      const [, floor = "", room = ""] = /^core\/(\w+)\/(?:([\w-]+)\/)?/.exec(file) ?? [];
      return floor === "tasks" || room === "" ? [floor] : [floor, `${floor}/${room}`];
    }),
  );
  const page = readFileSync(join(repository, "docs", "architecture.md"), "utf8");
  const [, table = ""] = /## core, by floor\n([\s\S]*?)\n## /.exec(page) ?? [];
  let floor = "";
  const listed = [...table.matchAll(/^\| (?:`(\w+)\/`)? ?\| (?:`(\w+)\/`)? ?\|/gm)].flatMap(([, named, room]) => {
    floor = named ?? floor;
    return [...(named ? [named] : []), ...(room ? [`${floor}/${room}`] : [])];
  });
  expect(listed.sort()).toEqual([...real].filter((each) => each !== "").sort());
});
