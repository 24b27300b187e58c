import { EventEmitter, once } from "node:events";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { createHetzner } from "../../../../core/base/hetzner/client.ts";
import type { Clocks } from "../../../../core/host/window/deadline.ts";
import { bakingLabels, removeBaking } from "../../../../core/tasks/images/leftovers.ts";
import { removeForSure } from "../../../../core/tasks/images/remove-for-sure.ts";
import { done, type Lab, newServer, startLab, until } from "../../../emulator/_lab.ts";

/** How a bake's guard closes and deletes: against the emulator and its servers' real ports. Only the clock is a stand-in. */
let lab: Lab;
beforeAll(async () => {
  lab = await startLab();
});
afterAll(() => lab.stop());

const run = "0a0a0a0a";
let firewallId = 0;
let said: string[] = [];
let isOver = false;
const has = (text: string) => said.some((line) => line.includes(text));

beforeEach(async () => {
  said = [];
  isOver = false;
  const labels = bakingLabels("web-1", run, new Date(Date.now() + 3_600_000));
  const rules = [{ direction: "in", protocol: "tcp", port: "22", source_ips: ["127.0.0.1/32"] }];
  firewallId = (await done(lab, "POST", "/firewalls", { name: "web-1-image", labels, rules })).body.firewall.id;
  await newServer(lab, "web-1-image", { labels, firewalls: [{ firewall: firewallId }] });
});
afterEach(async () => {
  await faults([]);
  await removeBaking(createHetzner(lab.emulator), "web-1", [run]);
});

const faults = (rules: unknown) => lab.api("POST", "/_emulator/faults", rules);
const refused = (method: string, path: string) => ({
  match: { method, path },
  fault: { respond: { status: 403, code: "protected", message: "not allowed" } },
});
/** The firewall, which is in use until the server is gone, would be asked for again for minutes. */
const undeletable = [refused("DELETE", "/servers/{id}"), refused("DELETE", "/firewalls/{id}")];
const rules = async () => (await lab.api("GET", `/firewalls/${firewallId}`)).body.firewall.rules.length;
const servers = async () => (await lab.api("GET", "/servers")).body.servers.length;

/**
 * Each pause takes half an hour on it. It shows after how many of them the work has ended.
 * @param holdAt minutes at which a pause lasts until `goOn`, so that faults never change between two requests of one attempt
 */
function clock(holdAt = Number.POSITIVE_INFINITY) {
  let now = 0;
  const read = () => now;
  const minutes = () => now / 60_000;
  const gate = new EventEmitter();
  const pause = async () => {
    now += 1_800_000;
    if (minutes() === holdAt) await once(gate, "open");
    await new Promise((resolve) => setImmediate(resolve));
  };
  const clocks: Clocks = { running: read, sinceBoot: read, wall: read, pause };
  return { clocks, minutes, goOn: () => gate.emit("open") };
}

const remove = (clocks: Clocks) =>
  removeForSure(
    createHetzner({ ...lab.emulator, limits: { attempts: 1, maxWaitSeconds: 1 } }),
    { host: "web-1", run, sshPort: lab.emulator.sshPort },
    (text) => said.push(text),
    clocks,
  ).finally(() => {
    isOver = true;
  });

it("deletes everything, and looks a second time for what appears late", async () => {
  const { clocks, minutes } = clock();
  expect(await remove(clocks)).toBe(true);
  expect(said).toEqual(["deleted 2 that the bake had bought", "nothing left", "nothing left"]);
  expect([await servers(), minutes()]).toEqual([0, 60]);
});

it("gives up after an hour on what Hetzner does not delete, with the port closed as seen by connecting", async () => {
  await faults(undeletable);
  const { clocks, minutes } = clock();
  expect(await remove(clocks)).toBe(false);
  expect(minutes()).toBe(60);
  expect([await servers(), await rules()]).toEqual([1, 0]);
  expect(said.at(-1)).toMatch(/^TCP\/22 of [\d.]+: refused \(3 tries\)/);
}, 60_000);

it("does not give up while the port still answers, though the hour is over, and closes once Hetzner lets it", async () => {
  await faults([...undeletable, refused("POST", "/firewalls/{id}/actions/set_rules")]);
  const { clocks, minutes, goOn } = clock(90);
  const removed = remove(clocks);
  await until("the hour is over", () => minutes() >= 90 || isOver, 240);
  expect([isOver, await servers(), await rules()]).toEqual([false, 1, 1]);
  expect(has("not proven closed. TCP/22 of")).toBe(true);
  await faults(undeletable);
  goOn();
  expect(await removed).toBe(false);
  expect(await rules()).toBe(0);
  expect(said.at(-1)).toMatch(/: refused \(3 tries\)/);
}, 300_000);

it("does not take Hetzner's word for a closed port, however long it lasts", async () => {
  const withoutEffect = { action: { withoutEffect: true } };
  await faults([
    ...undeletable,
    { match: { method: "POST", path: "/firewalls/{id}/actions/set_rules" }, fault: withoutEffect },
  ]);
  const { clocks, minutes, goOn } = clock(90);
  const removed = remove(clocks);
  await until("the hour is over", () => minutes() >= 90 || isOver, 240);
  // Hetzner lists no rule.
  expect([isOver, await servers(), await rules()]).toEqual([false, 1, 0]);
  expect(has("not closed yet: web-1: not proven closed. TCP/22 of")).toBe(true);
  await faults([]);
  goOn();
  expect(await removed).toBe(true);
}, 300_000);
