import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { expect, it } from "vitest";
import { findEngine, keepFromLogging } from "../../toolchain/index.ts";
import { temporaryFolder } from "../_project.ts";
import { repository } from "../_repository.ts";

it("the engine writes logs into its home, and none once it is kept from it", async () => {
  const { pulumi } = findEngine(repository) ?? expect.fail("no engine: sh scripts/setup.sh");
  const home = temporaryFolder();
  const logs = join(home, "logs");
  const run = () => execa(pulumi, ["version"], { env: { PULUMI_HOME: home, PULUMI_SKIP_UPDATE_CHECK: "true" } });
  await run();
  // Once Pulumi stops this, toolchain/no-logs.ts can go.
  expect(readdirSync(logs).join()).toMatch(/\.log$/);
  keepFromLogging(home);
  const { stdout, stderr } = await run();
  expect(stdout).toMatch(/^v3\./);
  expect(stderr).toBe("");
  expect(lstatSync(logs).isFile()).toBe(true);
});

it("its own home is, whenever it is found", () => {
  const { pulumiHome } = findEngine(repository) ?? expect.fail("no engine: sh scripts/setup.sh");
  expect(lstatSync(join(pulumiHome, "logs")).isFile()).toBe(true);
});

it("old logs are deleted, and nothing outside the home", () => {
  const home = temporaryFolder();
  const elsewhere = join(temporaryFolder(), "kept");
  mkdirSync(elsewhere);
  writeFileSync(join(elsewhere, "mine"), "x");
  symlinkSync(elsewhere, join(home, "logs"));
  keepFromLogging(home);
  expect(lstatSync(join(home, "logs")).isFile()).toBe(true);
  expect(readdirSync(elsewhere)).toEqual(["mine"]);
});

it("it may be done twice, and says why to those who look", () => {
  const home = temporaryFolder();
  keepFromLogging(home);
  keepFromLogging(home);
  expect(readFileSync(join(home, "logs"), "utf8")).toContain("keeps Pulumi from writing logs");
});

it("a home that is gone is not made", () => {
  const home = join(temporaryFolder(), "gone");
  keepFromLogging(home);
  expect(existsSync(home)).toBe(false);
});
