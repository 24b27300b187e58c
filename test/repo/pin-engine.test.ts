import { readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { expect, it } from "vitest";
import { pinnedIn, versionsIn, withVersion } from "../../scripts/pin-engine.ts";
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
  for (const [file, names] of [
    ["toolchain/go.mod", ["pkg", "sdk"]],
    ["toolchain/bridge/go.mod", ["sdk"]],
  ] as const) {
    for (const name of names)
      expect(textOf(file)).toContain(`github.com/pulumi/pulumi/${name}/v3 v${pins.pulumi}\n`.trimEnd());
  }
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
  expect(Object.values(digests.pulumi).length).toBeGreaterThan(0);
  const pinned = withVersion("toolchain/pins.ts", textOf("toolchain/pins.ts"), "3.999.1");
  for (const digest of Object.values(digests.pulumi)) expect(pinned).not.toContain(digest);
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
  expect(stderr).toContain("npm run pin:engine -- 3.260.0 --dry-run");
});
