import { readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { expect, it } from "vitest";
import { goModules, pinnedIn, requiredBy, versionsIn, withVersion } from "../../scripts/pin-engine.ts";
import { digests, pins } from "../../toolchain/pins.ts";
import { repository } from "../_repository.ts";

const textOf = (file: string) => readFileSync(join(repository, file), "utf8");
const files = Object.keys(pinnedIn);

it("every file that names the engine's version names the same one", () => {
  const found = files.flatMap((file) => versionsIn(file, textOf(file)).map((version) => `${file}: ${version}`));
  expect(found.filter((line) => !line.endsWith(`: ${pins.pulumi}`))).toEqual([]);
  expect(found.length).toBeGreaterThan(files.length);
});

it("so do the lock file, the installed library and the Go modules", () => {
  const { packages } = JSON.parse(textOf("package-lock.json"));
  expect(packages["node_modules/@pulumi/pulumi"].version).toBe(pins.pulumi);
  expect(packages[""].devDependencies["@pulumi/pulumi"]).toBe(pins.pulumi);
  expect(JSON.parse(textOf("node_modules/@pulumi/pulumi/package.json")).version).toBe(pins.pulumi);
  const stated = Object.entries(goModules).flatMap(([folder, modules]) => {
    const required = requiredBy(folder);
    return modules.map((module) => required[module]);
  });
  expect(stated).toEqual(Array(3).fill(`v${pins.pulumi}`));
});

it("Go compiles what the CLI and the plugins share once: the same versions, but for these few", () => {
  const [cli = {}, plugins = {}] = Object.keys(goModules).map(requiredBy);
  const differing = Object.keys(cli).filter(
    (module) => plugins[module] !== undefined && plugins[module] !== cli[module],
  );
  expect(differing.filter((module) => !module.startsWith("github.com/"))).toEqual([]);
  expect(differing.length).toBeLessThan(15);
});

it("no example is left out", async () => {
  const { stdout } = await execa("git", ["grep", "-l", '"@pulumi/pulumi":', "--", "examples/*/package.json"], {
    cwd: repository,
  });
  expect(stdout.split("\n").sort()).toEqual(files.filter((file) => file.startsWith("examples/")).sort());
});

it("another version replaces the old one everywhere, and drops the digests of its downloads", () => {
  for (const file of files) {
    const pinned = withVersion(file, textOf(file), "3.999.1");
    expect(versionsIn(file, pinned)).toEqual(versionsIn(file, textOf(file)).map(() => "3.999.1"));
    expect(withVersion(file, pinned, pins.pulumi).length).toBeLessThanOrEqual(textOf(file).length);
  }
  const former = '  pulumi: {\n    "linux-x64": "0123456789",\n    "linux-arm64": "0123456789",\n  },\n';
  const text = textOf("toolchain/pins.ts").replace(/^ {2}pulumi: \{[^}]*\},\n/m, former);
  expect(text).toContain(former);
  const pinned = withVersion("toolchain/pins.ts", text, "3.999.1");
  expect(pinned).not.toContain("0123456789");
  for (const digest of Object.values(digests.sops)) expect(pinned).toContain(digest);
});

it("a file that is laid out differently is refused, not skipped", () => {
  expect(() => withVersion("toolchain/pins.ts", "export const pins = {};", "3.999.1")).toThrow(
    "toolchain/pins.ts: expected",
  );
});

it.each([
  ["no version", [], 2, '"" is not a version.'],
  ["half a version", ["3.999"], 2, '"3.999" is not a version.'],
])("refuses %s, and names an example", async (_what, args, code, message) => {
  const script = ["--import", "./bin/typescript.mjs", "scripts/pin-engine.ts", ...args];
  const { exitCode, stderr } = await execa(process.execPath, script, { cwd: repository, reject: false });
  expect({ exitCode, stderr }).toEqual({ exitCode: code, stderr: expect.stringContaining(message) });
  expect(stderr).toContain("npm run pin:engine -- 3.276.0 --dry-run");
});
