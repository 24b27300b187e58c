import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { labelsOf } from "../../core/base/hetzner/labels.ts";
import { checkTool } from "../_check-tools.ts";
import { ManyHosts } from "../_many-hosts.ts";
import { leaveOut } from "../_needs.ts";
import { clientOf } from "../emulator/_lab.ts";
import { type Bucket, startBucket } from "../examples/_bucket.ts";
import { stage } from "../order/stage.ts";

/**
 * docs/fleet.md, "Past one machine": two machines bring up different hosts of one project at the same time, with the state of all of them in a
 * bucket of a real S3 server. NixOS is installed by the emulator's stand-in.
 */
const shards = { "shard-1": ["web-1", "web-2"], "shard-2": ["web-3", "web-4"] };
const hosts = Object.values(shards).flat();
const tags = Object.fromEntries(Object.entries(shards).flatMap(([tag, names]) => names.map((name) => [name, [tag]])));
/** One host of each machine. */
const [mine, theirs] = ["web-1", "web-3"];
const minutes = (count: number) => count * 60_000;

let parent = "";
let bucket: Bucket;
let first: ManyHosts;
let second: ManyHosts;
let versitygw: string | undefined;
beforeAll(async () => {
  versitygw = await checkTool("versitygw"); // Built once, in minutes.
  if (versitygw === undefined) return;
  parent = mkdtempSync(join(tmpdir(), "clawdlets-machines-"));
  bucket = await startBucket(versitygw, parent, "acme-pulumi");
  // S3 has no folders. The gateway removes one with its last object, and then refuses an object that is just being put there.
  mkdirSync(inBucket("locks"), { recursive: true });
  writeFileSync(join(inBucket("locks"), ".keep"), "");
  first = await ManyHosts.open(hosts, {
    tags,
    backend: `s3://acme-pulumi?region=nbg1&endpoint=${bucket.endpoint}&s3ForcePathStyle=true`,
    environment: { ...bucket.env, AWS_EC2_METADATA_DISABLED: "true" },
  });
  second = await first.cloned("second");
}, minutes(20));
afterAll(async () => {
  await first?.close();
  await bucket?.close();
  if (parent !== "") rmSync(parent, { recursive: true, force: true });
});

const places = { locks: "locks/organization/clawdlets", stacks: "stacks/clawdlets" } as const;
const inBucket = (place: keyof typeof places) => join(bucket.folder, ".pulumi", places[place]);
const objectsIn = (place: keyof typeof places) =>
  readdirSync(inBucket(place), { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".json"));

const onEach = <T>(value: T, names: readonly string[] = hosts) =>
  Object.fromEntries(names.map((name) => [name, value]));
const statesOf = ({ hosts: all }: { hosts: { host: string; state: string }[] }) =>
  Object.fromEntries(all.map(({ host, state }) => [host, state]));
const serverNames = () => first.emulator.report().servers.map(({ name }) => name);
const api = (method: string, path: string, body?: unknown) =>
  clientOf(first.emulator.endpoint, first.emulator.token)(method, path, body);

const created = stage(async () => {
  const runs = await Promise.all([first.json(["up", "--tag", "shard-1"]), second.json(["up", "--tag", "shard-2"])]);
  return { runs, installed: first.installed, locks: objectsIn("locks"), stacks: objectsIn("stacks") };
});

/** What each machine sees, and does again. It has no journal of what the other one did: state and Hetzner have to do. */
const seen = stage(async () => {
  await created();
  const looks = [];
  for (const machine of [first, second]) {
    const before = machine.requests;
    const again = await machine.json(["up", "--all"]);
    const requests = machine.requests - before;
    const verified = await machine.json(["verify", "--all"]);
    looks.push({ again, requests, verified, status: await machine.json(["status", "--no-drift"]) });
  }
  return { looks, installed: first.installed };
});

const destroyed = stage(async () => {
  await seen();
  const { id } = first.emulator.report().servers.find(({ name }) => name === mine) ?? {};
  const { status } = await api("POST", `/servers/${id}/actions/change_protection`, { delete: true, rebuild: true });
  return { status, run: await second.run(["destroy", "--host", mine, "--yes"]), left: serverNames() };
});

/** A test that runs with the gateway alone. */
const onBoth = (name: string, test: () => Promise<void>) =>
  it(
    name,
    async (context) => {
      if (versitygw === undefined) leaveOut(context, "two machines with state in a bucket", "versitygw is not built");
      else await test();
    },
    minutes(10),
  );

onBoth("each creates its own hosts at the same time", async () => {
  const { runs, installed, locks, stacks } = await created();
  for (const [index, names] of Object.values(shards).entries()) {
    const run = runs[index];
    expect(run?.exitCode, run?.stderr).toBe(0);
    expect(statesOf(run?.json)).toEqual(onEach("ok", names));
  }
  expect(installed).toEqual(onEach(1));
  expect(locks).toEqual([]);
  expect(stacks.sort()).toEqual(hosts.map((host) => `${host}.json`));
});

onBoth("each sees all hosts as declared, logs in to all, and changes nothing", async () => {
  const { looks, installed } = await seen();
  for (const { again, requests, verified, status } of looks) {
    expect(again.exitCode, again.stderr).toBe(0);
    expect(statesOf(again.json)).toEqual(onEach("ok"));
    expect(requests).toBeLessThan(40);
    expect(verified.exitCode, verified.stderr).toBe(0);
    const seenOn = status.json.hosts.map((each: { host: string; seenOn?: string }) => [each.host, each.seenOn]);
    expect(Object.fromEntries(seenOn)).toEqual(onEach("host"));
    expect(status.exitCode, status.stderr).toBe(0);
  }
  expect(installed).toEqual(onEach(1));
});

onBoth("a rotation reaches a host that the other one installed, or is refused", async () => {
  await seen(); // After it, the other machine has an older identity.
  const stackFile = join(first.layout.stacks, `Pulumi.${theirs}.yaml`);
  const recipient = () => /ageRecipient: (\S+)/.exec(readFileSync(stackFile, "utf8"))?.[1];
  const before = recipient();
  // A new identity that the running host does not get would lock it out of its secrets.
  const noAnswer = { status: 403, code: "forbidden", message: "insufficient permissions" };
  await first.control("faults", [{ match: { method: "GET", path: "/servers" }, fault: { respond: noAnswer } }]);
  const blind = await first.run(["secrets", "rotate", "--host", theirs]);
  await first.control("faults", []);
  const why = expect.stringContaining("another machine may have installed it");
  expect([blind.exitCode, String(blind.stderr), recipient()]).toEqual([2, why, before]);
  const rotated = await first.run(["secrets", "rotate", "--host", theirs]);
  expect(rotated.exitCode, String(rotated.stderr)).toBe(0);
  expect(String(rotated.stdout)).not.toContain("no host was updated");
  expect(recipient()).not.toBe(before);
});

onBoth("a type that is sold out stops new servers alone", async () => {
  await created();
  const soldOut = ["nbg1", "fsn1", "hel1"].map((location) => ({ type: "cx43", location }));
  await first.control("sold-out", soldOut);
  const { exitCode, stderr } = await first.run(["preview", "--host", theirs]);
  await first.control("sold-out", []);
  expect(exitCode, String(stderr)).toBe(0);
});

onBoth("a protected host can be destroyed by the other one", async () => {
  const { status, run, left } = await destroyed();
  expect([status, run.exitCode], String(run.stderr)).toEqual([201, 0]);
  expect(String(run.stderr)).toContain("its device in the tailnet is not known here");
  expect(left).not.toContain(mine);
});

onBoth("a server that a killed run was creating is taken over, unless another engine is at work", async () => {
  await destroyed();
  const made = await api("POST", "/servers", {
    name: mine,
    server_type: "cx43",
    image: "debian-12",
    labels: labelsOf(mine),
  });
  leavePending(mine);
  const lock = join(inBucket("locks"), mine, "other.json");
  mkdirSync(dirname(lock), { recursive: true });
  const holder = { pid: 1, username: "ada", hostname: "elsewhere", timestamp: new Date().toISOString() };
  writeFileSync(lock, JSON.stringify(holder));
  const busy = await second.run(["destroy", "--host", mine, "--yes"]);
  expect([busy.exitCode, String(busy.stderr)]).toEqual([5, expect.stringContaining("ada on elsewhere")]);
  expect(serverNames()).toContain(mine);
  // No copy of the state outside the project, for everybody to read.
  expect(readdirSync(tmpdir()).filter((name) => name.startsWith("automation-"))).toEqual([]);
  rmSync(lock);
  const { exitCode, stderr } = await second.run(["destroy", "--host", mine, "--yes"]);
  expect(exitCode, String(stderr)).toBe(0);
  expect(String(stderr)).toContain(`it exists, as ${made.body.server.id}`);
  expect(serverNames()).not.toContain(mine);
});

/** As a run leaves the state that was killed after Hetzner had been asked for a server, and before it was written down. */
function leavePending(host: string): void {
  const file = join(inBucket("stacks"), `${host}.json`);
  const state = JSON.parse(readFileSync(file, "utf8"));
  const type = "hcloud:index/server:Server";
  const urn = `urn:pulumi:${host}::clawdlets::clawdlets:index:HetznerServer$${type}::${host}-server`;
  const resource = { urn, custom: true, type, inputs: { name: host, serverType: "cx43" } };
  state.checkpoint.latest = { ...state.checkpoint.latest, pending_operations: [{ type: "creating", resource }] };
  rmSync(file); // With the checksum that the gateway keeps beside it.
  writeFileSync(file, JSON.stringify(state));
}
