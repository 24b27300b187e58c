import {
  appendFileSync,
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { cacheFolder, PartCache } from "../../toolchain/cache.ts";
import type { Component } from "../../toolchain/components.ts";
import { buildAll, takeCached } from "../../toolchain/install.ts";
import { type ToolchainPaths, toolchainPaths } from "../../toolchain/paths.ts";

let folder = "";
let cache: PartCache;
let built: string[] = [];
let told: string[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "clawdlets-cache-"));
  cache = new PartCache(join(folder, "cache", "clawdlets", "toolchain"));
  built = [];
  told = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const componentsFor = (paths: ToolchainPaths, stamp = "1"): Component[] =>
  ["first", "second"].map((name) => ({
    name,
    target: join(paths.bin, name),
    stamp,
    build: async (output) => {
      built.push(name);
      writeFileSync(output, `${name} of ${stamp}`);
    },
  }));

/** Sets up a clone of its own, and says what had to be built for it. */
async function clone(name: string, stamp?: string): Promise<string[]> {
  built = [];
  const paths = toolchainPaths(join(folder, name));
  mkdirSync(paths.work, { recursive: true });
  const report = ({ kind, text = "" }: { kind: string; text?: string }) => kind === "note" && told.push(text);
  const missing = takeCached(paths, componentsFor(paths, stamp), cache, report);
  const go = { go: "", env: {}, signal: undefined };
  await buildAll(paths, missing, go, report, cache);
  expect(readFileSync(join(paths.bin, "second"), "utf8")).toBe(`second of ${stamp ?? "1"}`);
  expect(statSync(join(paths.bin, "second")).mode & 0o777).toBe(0o755);
  return built;
}

const parts = () => readdirSync(join(cache.folder, "parts")).map((name) => join(cache.folder, "parts", name));
const entries = () => readdirSync(join(cache.folder, "entries")).map((name) => join(cache.folder, "entries", name));

describe("another clone on this machine", () => {
  it("copies what was built for the first, says so, and can change or delete its copy", async () => {
    expect(await clone("a")).toEqual(["first", "second"]);
    expect(told).toEqual([]);
    expect(await clone("b")).toEqual([]);
    expect(told).toEqual([expect.stringContaining(`first, second: built before for another project on this machine`)]);
    appendFileSync(join(folder, "b/.toolchain/bin/second"), "changed");
    rmSync(join(folder, "a"), { recursive: true });
    expect(await clone("c")).toEqual([]);
    expect(statSync(cache.folder).mode & 0o777).toBe(0o700);
  });

  it("builds from other sources itself", async () => {
    await clone("a");
    expect(await clone("b", "2")).toEqual(["first", "second"]);
    expect(await clone("c", "1")).toEqual([]);
  });

  it("removes what no project has used for two months", async () => {
    await clone("a");
    for (const entry of entries()) utimesSync(entry, new Date(0), new Date(0));
    await clone("b", "2");
    expect([entries().length, parts().length]).toEqual([2, 2]);
    expect(await clone("c", "1")).toEqual(["first", "second"]);
  });
});

describe("builds instead, and replaces what is there, where", () => {
  const both = ["first", "second"];
  const each = (paths: () => string[], change: (path: string) => void) => () => paths().forEach(change);
  it.each<[what: string, change: () => void]>([
    ["a byte of a part was changed", each(parts, (path) => appendFileSync(path, "x"))],
    ["a part was cut off", each(parts, (path) => writeFileSync(path, ""))],
    ["parts are missing", each(parts, (path) => rmSync(path))],
    [
      "a part is a link",
      each(parts, (path) => {
        renameSync(path, `${path}.moved`);
        symlinkSync(`${path}.moved`, path);
      }),
    ],
    ["others may write to a part", each(parts, (path) => chmodSync(path, 0o722))],
    ["an entry names a file elsewhere", each(entries, (path) => writeFileSync(path, "../../../x"))],
    ["an entry is empty", each(entries, (path) => writeFileSync(path, ""))],
    ["an entry is missing", each(entries, (path) => rmSync(path))],
  ])("%s", async (_what, change) => {
    await clone("a");
    change();
    expect(await clone("b")).toEqual(both);
    expect(await clone("c")).toEqual([]);
  });

  it.each<[what: string, change: () => void, told: RegExp]>([
    ["others can look into the cache", () => chmodSync(cache.folder, 0o755), /others have access to .*chmod 700/],
    ["others can write its parts", () => chmodSync(join(cache.folder, "parts"), 0o777), /others have access/],
    [
      "it is a link",
      () => {
        renameSync(cache.folder, `${cache.folder}-elsewhere`);
        symlinkSync(`${cache.folder}-elsewhere`, cache.folder);
      },
      /is not a folder/,
    ],
    ...(process.getuid?.() === 0
      ? [["it is another user's", () => chownSync(cache.folder, 65_534, 65_534), /another user/] as const].map(
          (row): [string, () => void, RegExp] => [...row],
        )
      : []),
  ])("%s, and then keeps nothing there", async (_what, change, problem) => {
    await clone("a");
    change();
    expect(await clone("b")).toEqual(both);
    expect(told.join("\n")).toMatch(problem);
    expect(await clone("c")).toEqual(both);
  });

  it("there is a file in its place", async () => {
    mkdirSync(join(folder, "cache"));
    writeFileSync(join(folder, "cache/clawdlets"), "");
    expect(await clone("a")).toEqual(both);
    expect(told.length).toBe(2);
  });
});

it.each([
  [{ XDG_CACHE_HOME: "/c", HOME: "/h" }, "/c/clawdlets/toolchain"],
  [{ HOME: "/h" }, "/h/.cache/clawdlets/toolchain"],
  [{ XDG_CACHE_HOME: "relative", HOME: "/h" }, "/h/.cache/clawdlets/toolchain"],
  [{ XDG_CACHE_HOME: "", HOME: "" }, undefined],
  [{}, undefined],
])("%j has its cache in %s", (environment, expected) => {
  expect(cacheFolder(environment)).toBe(expected);
});
