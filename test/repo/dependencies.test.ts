import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { describe, expect, test } from "vitest";
import { missingSums } from "../../scripts/_build/go-sums.ts";
import { repository } from "../_check-tools.ts";

interface Package {
  version: string;
  license?: string;
  integrity?: string;
  resolved?: string;
  link?: boolean;
}
const read = (file: string) => readFileSync(join(repository, file), "utf8");
const manifest = JSON.parse(read("package.json"));
const lock: { packages: Record<string, Package> } = JSON.parse(read("package-lock.json"));
const packages = Object.entries(lock.packages).filter(([path]) => path !== "");

/** Licences that let the whole be given away under MIT. Anything else is for a person to decide. */
const allowed = [
  ...["MIT", "ISC", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "0BSD", "CC0-1.0", "BlueOak-1.0.0"],
  ...["Python-2.0", "MPL-2.0", "Unlicense"],
];

/** Decided one by one: package to reason. */
const decided: Readonly<Record<string, string>> = {
  "node_modules/ssh2": "MIT, written in npm's old form (licenses)",
  "node_modules/buildcheck": "MIT, written in npm's old form (licenses)",
  "node_modules/cpu-features": "MIT, written in npm's old form (licenses)",
  "node_modules/@logdna/tail-file": "MIT by its LICENSE file",
  "node_modules/spdx-exceptions": "CC-BY-3.0: a list of names, used unchanged",
  "node_modules/node-liblzma": "LGPL-3.0: optional, of just-bash, loaded unchanged and only for xz in the emulator",
};

/** `(A OR B)` needs one that is allowed, `A AND B` all. */
const isAllowed = (license: string): boolean =>
  license
    .replace(/^\((.*)\)$/, "$1")
    .split(" OR ")
    .some((choice) => choice.split(" AND ").every((each) => allowed.includes(each)));

describe("dependencies", () => {
  test("each of our own is pinned exactly and has its reason in docs/dependencies.md, and nothing else stands there", () => {
    const own: Record<string, string> = { ...manifest.dependencies, ...manifest.devDependencies };
    for (const [name, version] of Object.entries(own)) expect(version, name).toMatch(/^\d+\.\d+\.\d+$/);
    const rows = [...read("docs/dependencies.md").matchAll(/^\| `([^`]+)` \| (.+?) \|$/gm)];
    expect(rows.map(([, name]) => name).sort()).toEqual(Object.keys(own).sort());
    for (const [, name, reason = ""] of rows) expect(reason.length, name).toBeGreaterThan(20);
  });

  test("each has a licence that is allowed", () => {
    const odd = packages.filter(([path, { license = "" }]) => !isAllowed(license) && !(path in decided));
    expect(
      Object.keys(decided).filter((path) => !(path in lock.packages)),
      "decided, and gone",
    ).toEqual([]);
    expect(odd.map(([path, { license }]) => `${path}: ${license}`)).toEqual([]);
  });

  test("each is in the lock file with its digest and without the name of a registry", () => {
    expect(packages.length).toBeGreaterThan(100);
    expect(packages.filter(([, { integrity }]) => !/^sha512-/.test(integrity ?? "")).map(([path]) => path)).toEqual([]);
    expect(packages.filter(([, { resolved, link }]) => resolved !== undefined || link).map(([path]) => path)).toEqual(
      [],
    );
    const root = lock.packages[""] as unknown as typeof manifest;
    expect(root.dependencies).toEqual(manifest.dependencies);
    expect(root.devDependencies).toEqual(manifest.devDependencies);
  });

  test("none runs anything when it is installed", () => {
    expect(read(".npmrc")).toMatch(/^ignore-scripts=true$/m);
    expect(Object.keys(manifest.scripts).filter((name) => /^(pre|post)?(install|prepare)/.test(name))).toEqual([]);
  });

  test("what is installed is what is locked", () => {
    const differing = packages.filter(([path, { version }]) => {
      const file = join(repository, path, "package.json");
      // Packages for other systems are not installed.
      return existsSync(file) && JSON.parse(readFileSync(file, "utf8")).version.replace(/^v/, "") !== version;
    });
    expect(differing.map(([path]) => path)).toEqual([]);
  });

  test("npm makes a bill of materials of it, with what is only for development marked", async () => {
    // Not --omit dev: npm 10 then leaves out what a package for development needs as well, @pulumi/pulumi among it.
    const args = ["sbom", "--sbom-format", "cyclonedx", "--package-lock-only"];
    const { stdout, exitCode, stderr } = await execa("npm", args, { cwd: repository, reject: false });
    expect(exitCode, stderr).toBe(0);
    const components: { name: string; properties?: { name: string; value: string }[] }[] =
      JSON.parse(stdout).components;
    // A package for development may bring another version of one that is needed.
    const isDev = (name: string) => {
      const found = components.filter((each) => each.name === name);
      expect(found.length, name).toBeGreaterThan(0);
      return found.every(({ properties = [] }) =>
        properties.some((each) => each.name === "cdx:npm:package:development" && each.value === "true"),
      );
    };
    for (const name of Object.keys(manifest.dependencies)) expect(isDev(name), name).toBe(false);
    // What is for development alone: types of Node, say, are needed by others.
    for (const name of ["vitest", "@biomejs/biome"]) expect(isDev(name), name).toBe(true);
  });

  test.each(["toolchain", "toolchain/bridge"])("Go: %s has the sums of all that is built from it", async (folder) => {
    expect(await missingSums(folder)).toEqual([]);
  });

  test.each([
    "toolchain/checks",
    "toolchain/bucket",
    "toolchain/languages",
    "toolchain/rest",
    "toolchain/tailnet/client",
    "toolchain/tailnet/control",
    "toolchain/tofu/cli",
    "toolchain/tofu/provider",
  ])("Go: whatever %s requires has its sums", (folder) => {
    const sums = new Set(
      read(`${folder}/go.sum`)
        .trim()
        .split("\n")
        .map((line) => line.replace(/ h1:[A-Za-z0-9+/]{43}=$/, "")),
    );
    const mod = read(`${folder}/go.mod`);
    const replaced = new Map(
      [...mod.matchAll(/^(?:replace)?\s*(\S+)(?: v\S+)? => (\S+)(?: (v\S+))?$/gm)].map(([, from, to, version]) => [
        from,
        version === undefined ? undefined : `${to} ${version}`,
      ]),
    );
    const required = [...mod.matchAll(/^\t([\w./~-]+\.[\w./~-]+) (v[^\s/]+)(?: \/\/ indirect)?$/gm)];
    expect(required.length).toBeGreaterThanOrEqual(20);
    for (const [, path = "", version = ""] of required) {
      // A replacement by a folder of our own has no sum.
      const wanted = replaced.has(path) ? replaced.get(path) : `${path} ${version}`;
      if (wanted !== undefined) expect(sums, `${folder}: ${wanted}`).toContain(`${wanted}/go.mod`);
    }
  });
});
