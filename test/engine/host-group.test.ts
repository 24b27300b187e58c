import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { hostLayoutOf } from "../../core/project/layout.ts";
import { readStackJson } from "../../core/project/settings/stack-json/stack-json.ts";
import { readState } from "../../core/project/state/state.ts";
import { killProcessesOf } from "../_processes.ts";
import { type GroupLab, openGroupLab } from "./_group-lab.ts";

let lab: GroupLab;

beforeAll(async () => {
  lab = await openGroupLab();
}, 120_000);

afterAll(async () => {
  await lab?.close();
});

/** Servers that were installed once, by name. */
const installed = () =>
  Object.fromEntries(lab.servers().map(({ name, id, installRuns, os }) => [name, { id, installRuns, os }]));
const pick = <T>(all: Record<string, T>, keys: readonly string[]) =>
  Object.fromEntries(Object.entries(all).filter(([key]) => keys.includes(key)));
/** Requests that change something, by kind. */
const writes = () =>
  Object.fromEntries(Object.entries(lab.emulator.report().requests).filter(([request]) => !request.startsWith("GET")));

/** Everything that names a host, except what is kept of those that are gone. */
function expectForgotten(host: string): void {
  const files = hostLayoutOf(lab.layout, host);
  for (const path of [files.stackFile, files.dir, files.identity, files.recipient, files.secrets])
    expect(existsSync(path), path).toBe(false);
  expect(readFileSync(lab.layout.knownHosts, "utf8")).not.toContain(host);
  expect(Object.keys(readStackJson(lab.layout).value?.hosts ?? {})).not.toContain(host);
  const gone = join(lab.layout.dir, "gone", host);
  expect(statSync(join(gone, `Pulumi.${host}.yaml`)).mode & 0o077).toBe(0);
  expect(readdirSync(gone)).toEqual(
    expect.arrayContaining([`Pulumi.${host}.yaml`, "host", "identity.age.pub", "identity.agekey", "secrets"]),
  );
  const urns = (readState(lab.layout, "prod").value?.resources ?? []).map(({ urn }) => urn);
  expect(urns.filter((urn) => urn.includes(host))).toEqual([]);
}

const minutes = (count: number) => count * 60_000;

it(
  "five are created, scaled to three and to six, outlived and reaped, and the host beside them stays as it is",
  async () => {
    lab.declare({ name: "workers", host: true, count: 5, ttl: "8h" });
    await lab.grow();
    const five = lab.names("workers");
    expect(new Set(five).size).toBe(5);
    for (const name of five) expect(name).toMatch(/^workers-[a-z]+-[a-z]+$/);
    const first = installed();
    expect(Object.values(first).map(({ installRuns, os }) => [installRuns, os])).toEqual(Array(6).fill([1, "nixos"]));

    lab.declare({ name: "workers", host: true, count: 0, protect: [five[4]], ttl: "8h" });
    const before = writes();
    const refused = await lab.pulumi("preview");
    expect(refused.exitCode).not.toBe(0);
    expect(String(refused.all)).toMatch(/count: is 0, and 1 host is protected: workers-/);
    expect(writes()).toEqual(before);

    lab.declare({ name: "workers", host: true, count: 3, ttl: "8h" });
    expect(await lab.up()).toMatch(new RegExp(`no longer needed.*${five[4]}, ${five[3]}`));
    expect(installed()).toEqual(pick(first, ["web-1", ...five.slice(0, 3)]));
    for (const host of five.slice(3)) expectForgotten(host);

    lab.declare({ name: "workers", host: true, count: 6, ttl: "8h" });
    await lab.grow();
    const six = lab.names("workers");
    expect([six.slice(0, 3), six.length]).toEqual([five.slice(0, 3), 6]);
    expect(pick(installed(), ["web-1", ...five])).toEqual(pick(first, ["web-1", ...five.slice(0, 3)]));

    expect(await lab.ok(lab.clawdlets("reap", "--yes"))).toContain("no host has outlived its time");
    lab.age("workers", 9);
    const listed = await lab.clawdlets("reap", "--dry-run", "--json");
    expect(JSON.parse(String(listed.stdout))).toMatchObject({
      ok: true,
      dryRun: true,
      hosts: six.map((host) => ({ host })),
    });
    const unconfirmed = await lab.clawdlets("reap");
    expect([unconfirmed.exitCode, lab.servers().length]).toEqual([2, 7]);
    await lab.ok(lab.clawdlets("reap", "--yes", "--group", "workers"));
    expect(installed()).toEqual(pick(first, ["web-1"]));
    for (const host of six) expectForgotten(host);
    await lab.ok(lab.clawdlets("reap", "--yes"));
    // They count until the generation is raised: an update does not buy them again.
    expect(await lab.up()).toMatch(/6 outlived earlier and still count/);
    expect(installed()).toEqual(pick(first, ["web-1"]));
  },
  minutes(15),
);

it(
  "a scale-down that is killed is finished by the next update",
  async () => {
    lab.declare({ name: "crew", count: 2 });
    await lab.grow();
    const [first = "", second = ""] = lab.names("crew");
    const slow = { match: { method: "DELETE", path: "/servers/{id}" }, fault: { delayMs: 5000 } };
    await lab.control("faults", [slow]);
    const deletions = () => lab.emulator.report().requests["DELETE /servers/{id}"] ?? 0;
    const deleted = deletions();
    lab.declare({ name: "crew", count: 1 });
    const running = lab.startUp();
    await expect.poll(deletions, { timeout: minutes(2), interval: 100 }).toBeGreaterThan(deleted);
    process.kill(-(running.pid ?? 0), "SIGKILL");
    await running;
    killProcessesOf(lab.layout.root);
    await lab.control("faults", []);
    // Hetzner finishes the deletion, although nobody waits for the answer.
    await expect.poll(() => lab.servers().some(({ name }) => name === second), { timeout: 60_000 }).toBe(false);
    // The engine does not know: the host is in its roster, and has its files.
    expect(lab.names("crew")).toEqual([first, second]);
    expect(existsSync(hostLayoutOf(lab.layout, second).identity)).toBe(true);

    await lab.ok(lab.pulumi("cancel", "--yes"));
    await lab.up();
    expect(lab.names("crew")).toEqual([first]);
    expect(Object.keys(installed()).filter((each) => each.startsWith("crew"))).toEqual([first]);
    expectForgotten(second);
    expect(await lab.up()).toMatch(/unchanged/);
  },
  minutes(6),
);
