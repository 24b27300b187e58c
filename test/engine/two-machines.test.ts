import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { checkTool } from "../_check-tools.ts";
import { ManyHosts } from "../_many-hosts.ts";
import { leaveOut } from "../_needs.ts";
import { clientOf } from "../emulator/_lab.ts";
import { type Bucket, startBucket } from "../examples/_bucket.ts";

/**
 * docs/fleet.md, "Past one machine": two machines bring up different hosts of one project at the same time, with the state of all of them in a
 * bucket of a real S3 server. NixOS is installed by the emulator's stand-in.
 */
const shards = { "shard-1": ["web-1", "web-2"], "shard-2": ["web-3", "web-4"] };
const hosts = Object.values(shards).flat();
const tags = Object.fromEntries(Object.entries(shards).flatMap(([tag, names]) => names.map((name) => [name, [tag]])));

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
  const locks = join(bucket.folder, ".pulumi/locks/organization/clawdlets");
  mkdirSync(locks, { recursive: true });
  writeFileSync(join(locks, ".keep"), "");
  first = await ManyHosts.open(hosts, {
    tags,
    backend: `s3://acme-pulumi?region=nbg1&endpoint=${bucket.endpoint}&s3ForcePathStyle=true`,
    environment: { ...bucket.env, AWS_EC2_METADATA_DISABLED: "true" },
  });
  second = await first.cloned("second");
}, 1_200_000);
afterAll(async () => {
  await first?.close();
  await bucket?.close();
  if (parent !== "") rmSync(parent, { recursive: true, force: true });
});

const inBucket = (folder: string) => {
  const path = join(bucket.folder, ".pulumi", folder);
  return existsSync(path)
    ? readdirSync(path, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".json"))
    : [];
};
const statesOf = ({ hosts: all }: { hosts: { host: string; state: string }[] }) =>
  Object.fromEntries(all.map(({ host, state }) => [host, state]));

it("two machines create their own hosts at once, and either one sees that all of them are as declared", async (context) => {
  if (versitygw === undefined)
    return leaveOut(context, "two machines with state in a bucket", "versitygw is not built");
  const runs = await Promise.all([first.json(["up", "--tag", "shard-1"]), second.json(["up", "--tag", "shard-2"])]);
  for (const [index, { exitCode, stderr, json }] of runs.entries()) {
    expect(exitCode, stderr).toBe(0);
    const own = Object.values(shards)[index] ?? [];
    expect(statesOf(json)).toEqual(Object.fromEntries(own.map((host) => [host, "ok"])));
  }
  expect(first.installed).toEqual(Object.fromEntries(hosts.map((host) => [host, 1])));
  expect(inBucket("locks")).toEqual([]);
  expect(
    inBucket("stacks")
      .map((name) => name.split("/").at(-1))
      .sort(),
  ).toEqual(hosts.map((host) => `${host}.json`));

  // Neither machine has the journals of what the other one did; state and Hetzner are enough.
  for (const machine of [first, second]) {
    const requests = machine.requests;
    const again = await machine.json(["up", "--all"]);
    expect(again.exitCode, again.stderr).toBe(0);
    expect(statesOf(again.json)).toEqual(Object.fromEntries(hosts.map((host) => [host, "ok"])));
    expect(machine.requests - requests, "requests of the second run").toBeLessThan(40);
    const verified = await machine.json(["verify", "--all"]);
    expect(verified.exitCode, verified.stderr).toBe(0);
  }
  expect(first.installed).toEqual(Object.fromEntries(hosts.map((host) => [host, 1])));

  // What the first machine knows of the second one's hosts, and the other way round.
  const status = await first.json(["status", "--no-drift"]);
  expect(
    status.json.hosts.map((each: { host: string; ok: boolean; seenOn?: string }) => [each.host, each.ok, each.seenOn]),
  ).toEqual(hosts.map((host) => [host, true, "host"]));

  // A new identity that the running host does not get would lock it out of its secrets.
  const [theirs = ""] = shards["shard-2"];
  const recipient = () =>
    /ageRecipient: (\S+)/.exec(readFileSync(join(first.layout.stacks, `Pulumi.${theirs}.yaml`), "utf8"))?.[1];
  const before = recipient();
  const noAnswer = { status: 403, code: "forbidden", message: "insufficient permissions" };
  await first.control("faults", [{ match: { method: "GET", path: "/servers" }, fault: { respond: noAnswer } }]);
  const blind = await first.run(["secrets", "rotate", "--host", theirs]);
  await first.control("faults", []);
  expect([blind.exitCode, String(blind.stderr)]).toEqual([
    2,
    expect.stringContaining("another machine may have installed it"),
  ]);
  expect(recipient()).toBe(before);
  const rotated = await first.run(["secrets", "rotate", "--host", theirs]);
  expect(rotated.exitCode, String(rotated.stderr)).toBe(0);
  expect(String(rotated.stdout)).not.toContain("no host was updated");
  expect(recipient()).not.toBe(before);

  // A type that is sold out stops new servers alone, also where the state of an existing one cannot be read here.
  const places = ["nbg1", "fsn1", "hel1"].map((location) => ({ type: "cx43", location }));
  await first.control("sold-out", places);
  const previewed = await first.run(["preview", "--host", theirs]);
  expect(previewed.exitCode, String(previewed.stderr)).toBe(0);
  await first.control("sold-out", []);

  // Hetzner's protection is in the state of the bucket, and in no file of this machine.
  const [mine = ""] = shards["shard-1"];
  const { id = 0 } = first.emulator.report().servers.find(({ name }) => name === mine) ?? {};
  const { endpoint, token } = first.emulator;
  const api = clientOf(endpoint, token);
  const protectedIn = await api("POST", `/servers/${id}/actions/change_protection`, { delete: true, rebuild: true });
  expect(protectedIn.status).toBe(201);
  const destroyed = await second.run(["destroy", "--host", mine, "--yes"]);
  expect(destroyed.exitCode, String(destroyed.stderr)).toBe(0);
  expect(String(destroyed.stderr)).toContain("its device in the tailnet is not known here");
  expect(Object.keys(first.installed)).not.toContain(mine);
}, 600_000);
