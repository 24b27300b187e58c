import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, it } from "vitest";
import { packageRoot } from "../../engine/environment.ts";
import { ProcessWatch } from "../engine/_process-watch.ts";
import { InstallerLab } from "./installer-lab.ts";

/**
 * A CI checkout writes its token into the origin. The whole flow runs with one, and every place where it could show is read. The
 * installation gets as far as fetching the flake: no such repository is on GitHub.
 */
const canary = "canaryOfTheOrigin0123456789";
const said: string[] = [];
let lab: InstallerLab;
let watch: ProcessWatch;

beforeAll(async () => {
  lab = await InstallerLab.open(join(packageRoot, "emulator", "stand-ins", "nixos-anywhere"), {
    githubToken: "github_pat_lab_0123456789",
  });
  const { root } = lab.demo.layout;
  const origin = `https://x-access-token:${canary}@github.com/you/hosts.git`;
  await execa("git", ["remote", "add", "origin", origin], { cwd: root });
  watch = new ProcessWatch({ canary });
  const server = await lab.createServer();
  const installed = await lab.install(server);
  said.push(String(installed.all));
  for (const args of [
    ["install", "--status", "--host", lab.demo.host],
    ["install", "--status", "--json", "--host", lab.demo.host],
    ["logs", "--host", lab.demo.host],
    ["doctor"],
    ["doctor", "--json"],
  ]) {
    said.push(String((await lab.clawdlets(...args)).all));
  }
  await watch.stop();
}, 180_000);

afterAll(async () => {
  await watch?.stop();
  await lab?.close();
});

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
}

it("takes the commit from GitHub, without the token", () => {
  const flakes = lab.calls.filter(({ program }) => program === "installer").flatMap(({ argv }) => argv);
  expect(flakes).toContainEqual(expect.stringMatching(/^github:you\/hosts\?rev=[0-9a-f]{40}#/));
  expect(lab.journal?.flake).toMatch(/^github:you\/hosts\?rev=[0-9a-f]{40}#/);
  expect(said.join("\n")).toContain("github:you/hosts?rev=");
});

it("shows the token on no screen, in no argument and in no environment", () => {
  expect(said.filter((text) => text.includes(canary))).toEqual([]);
  expect(watch.looks.processes).toBeGreaterThan(10);
  expect(watch.found).toEqual([]);
});

it("writes the token to no log, journal or other file of ours", () => {
  const files = filesBelow(lab.demo.layout.dir);
  expect(files).toContainEqual(expect.stringContaining("install.json"));
  const leaking = files.filter((file) => readFileSync(file, "utf8").includes(canary));
  expect(leaking).toEqual([]);
});
