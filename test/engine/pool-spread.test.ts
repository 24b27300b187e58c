import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, it } from "vitest";
import { makePrivateFolder, writePrivateFile } from "../../core/base/machine/private-files.ts";
import { layoutOf } from "../../core/project/layout.ts";
import { engineEnvironment, prepareState } from "../../engine/environment.ts";
import { findEngine } from "../../engine/find-engine.ts";
import { repository } from "../_repository.ts";

/** Where the hosts of a fleet are drawn to, by the real engine and random provider. Nothing is bought. */
const folder = mkdtempSync(join(tmpdir(), "clawdlets-spread-"));
const layout = layoutOf(folder);
const engine = findEngine(repository) ?? ({} as never);
const pool = ["nbg1", "fsn1", "hel1"];

const program = `import * as pulumi from "@pulumi/pulumi";
import { placeOf } from "./components/internal/place.ts";

const parent = new pulumi.ComponentResource("test:index:Fleet", "fleet");
const { hosts, locations } = JSON.parse(process.env.FLEET);
const placed = hosts.map((host) => {
  const settings = { host, serverType: "cx43", serverTypes: [], location: locations[0], locations };
  return pulumi.output(placeOf(host, settings, undefined, parent).location).apply((location) => [host, location]);
});
export const locationOf = pulumi.all(placed).apply(Object.fromEntries);
`;

beforeAll(async () => {
  for (const file of ["bin", "components", "node_modules", "package.json", "tsconfig.json"])
    symlinkSync(join(repository, file), join(folder, file));
  const projectFile = readFileSync(join(repository, "Pulumi.yaml"), "utf8");
  writeFileSync(join(folder, "Pulumi.yaml"), projectFile.replace(/^stackConfigDir:.*\n/m, ""));
  writeFileSync(join(folder, "index.ts"), program);
  makePrivateFolder(layout.dir);
  await writePrivateFile(layout.passphrase, "canary\n");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The location of each host, drawn in a new stack. */
async function drawn(stack: string, hosts: readonly string[]): Promise<Record<string, string>> {
  prepareState(layout, stack);
  const env = { ...engineEnvironment(layout, engine), FLEET: JSON.stringify({ hosts, locations: pool }) };
  const pulumi = async (...args: string[]) =>
    (await execa(engine.pulumi, [...args, "--stack", stack, "--non-interactive"], { cwd: folder, env })).stdout;
  await pulumi("stack", "init");
  await pulumi("up", "--yes", "--skip-preview");
  return JSON.parse(await pulumi("stack", "output", "locationOf", "--json"));
}

it("spreads a fleet over all locations of its pool, and each host alone gets the same one", async () => {
  const hosts = Array.from({ length: 48 }, (_, index) => `web-${index + 1}`);
  const fleet = await drawn("fleet", hosts);
  const counts = pool.map((location) => hosts.filter((host) => fleet[host] === location).length);
  expect(counts.reduce((sum, each) => sum + each)).toBe(48);
  // Seeded by the names, so the same in every run.
  for (const count of counts) expect(count, String(counts)).toBeGreaterThanOrEqual(8);
  expect(await drawn("alone", ["web-7"])).toEqual({ "web-7": fleet["web-7"] });
}, 120_000);
