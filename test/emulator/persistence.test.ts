import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { EmulatorOptionError, startEmulator } from "../../emulator/index.ts";
import {
  type Answer,
  clientOf,
  done,
  knock,
  type Lab,
  newKey,
  newServer,
  reportOf,
  ssh,
  startLab,
  until,
  userDataWith,
} from "./_lab.ts";

let data: string;
beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), "clawdlets-data-"));
});
afterAll(async () => rm(data, { recursive: true, force: true }));

test("a stopped emulator that is started again carries on", async () => {
  const first = await startLab({ data });
  const [client, hostKey] = await Promise.all([newKey(first, "client"), newKey(first, "host")]);
  const firewall = (await done(first, "POST", "/firewalls", { name: "shut" })).body.firewall;
  const server = await newServer(first, "kept", { user_data: userDataWith(hostKey, client) });
  const closed = await newServer(first, "closed", { firewalls: [{ firewall: firewall.id }] });
  const to = { user: "root", host: server.ipv4, key: client, hostKey };
  await ssh(first, to, "echo here > /root/file; chmod 600 /root/file");
  const before = reportOf(first, server.id);
  const slow = [
    { match: { path: "/servers/{id}/actions/change_protection" }, fault: { action: { durationMs: 1500 } } },
  ];
  await first.api("POST", "/_emulator/faults", slow);
  const running = await first.api("POST", `/servers/${closed.id}/actions/change_protection`, {
    delete: true,
    rebuild: true,
  });
  const { token, endpoint, sshPort } = first.emulator;
  await first.emulator.close();
  expect(await knock(server.ipv4, sshPort)).toBe("refused");

  const emulator = await startEmulator({ data, bootMs: 10, actionMs: 20 });
  const second: Lab = { ...first, emulator, api: clientOf(emulator.endpoint, emulator.token) };
  expect({ token: emulator.token, endpoint: emulator.endpoint, sshPort: emulator.sshPort }).toEqual({
    token,
    endpoint,
    sshPort,
  });
  await until("the machine answers", () => reportOf(second, server.id).isAnswering);
  expect(reportOf(second, server.id)).toMatchObject({
    bootId: before.bootId,
    connectionsAccepted: before.connectionsAccepted,
  });
  expect((await ssh(second, to, "stat -c %a /root/file; cat /root/file")).stdout.toString()).toBe("600\nhere\n");
  expect(await knock(closed.ipv4, sshPort)).toBe("refused");
  await until("the action ends", async () => {
    const { action } = (await second.api("GET", `/actions/${running.body.action.id}`)).body;
    return action.status === "success";
  });
  expect((await second.api("GET", `/servers/${closed.id}`)).body.server.protection.delete).toBe(true);
  const { server: third } = (
    await done(second, "POST", "/servers", { name: "new", server_type: "cx23", image: "debian-12" })
  ).body;
  expect(third.id).toBeGreaterThan(closed.id);
  await emulator.close();
  await rm(first.dir, { recursive: true, force: true });
});

test("a request is in the log before it is answered", async () => {
  const lab = await startLab();
  const lines = () => readFileSync(join(lab.emulator.dataDir, "requests.jsonl"), "utf8").split("\n").length - 1;
  for (let asked = 1; asked <= 50; asked++) {
    await lab.api("GET", "/servers");
    expect(lines()).toBe(asked);
  }
  await lab.stop();
});

test("the request log holds every request and no token", async () => {
  const lab = await startLab({ data });
  await lab.api("POST", "/ssh_keys", { name: "logged", public_key: "nonsense" });
  await clientOf(lab.emulator.endpoint, "wrong")("GET", "/servers?name=x");
  const { token } = lab.emulator;
  await lab.stop();
  const lines = (await readFile(join(data, "requests.jsonl"), "utf8")).trim().split("\n");
  expect(lines.join("")).not.toContain(token);
  expect(lines.slice(-2).map((line) => JSON.parse(line))).toEqual([
    expect.objectContaining({ method: "POST", path: "/ssh_keys", template: "/ssh_keys", status: 422, token: "ok" }),
    expect.objectContaining({ path: "/servers?name=x", template: "/servers", status: 401, token: "bad", body: null }),
  ]);
  expect(JSON.parse(lines.at(-2) ?? "").body).toEqual({ name: "logged", public_key: "nonsense" });
});

test("kept data is readable only by its owner, and a temporary folder is removed at the end", async () => {
  for (const file of ["state.json", "requests.jsonl"]) expect((await stat(join(data, file))).mode & 0o077).toBe(0);
  const emulator = await startEmulator();
  expect(await readdir(emulator.dataDir)).toContain("state.json");
  await emulator.close();
  await expect(stat(emulator.dataDir)).rejects.toThrow("ENOENT");
});

describe("options that cannot be used are named", () => {
  test("a port in use", async () => {
    const emulator = await startEmulator();
    const port = Number(new URL(emulator.endpoint).port);
    await expect(startEmulator({ port })).rejects.toThrow(
      new RegExp(`^--port ${port}: .* in use .* Give another port`),
    );
    await emulator.close();
  });
  test("a malformed token", async () => {
    await expect(startEmulator({ token: "short" })).rejects.toThrow(EmulatorOptionError);
  });
  test("a file where the folder for data belongs", async () => {
    const file = join(data, "file");
    await writeFile(file, "");
    for (const dir of [file, join(file, "below")]) {
      const message = new RegExp(`^--data ${dir}: there is a file where a folder is needed .* Pass a folder`);
      await expect(startEmulator({ data: dir })).rejects.toThrow(message);
      await expect(startEmulator({ data: dir })).rejects.toThrow(EmulatorOptionError);
    }
  });
  test.each(["", "{", "[]", "null", '{"version": 2}', "\xff"])("a state of %j", async (text) => {
    const dir = join(data, "damaged");
    await mkdir(dir, { recursive: true });
    await writeFile(join(dir, "state.json"), text);
    const starting = startEmulator({ data: dir });
    await expect(starting).rejects.toThrow(EmulatorOptionError);
    await expect(starting).rejects.toThrow(
      /^--data: .*damaged\/state\.json is damaged, or is not .* Move that file away/,
    );
    expect(await readFile(join(dir, "state.json"), "utf8")).toBe(text);
  });
  test("an invalid faults file", async () => {
    const file = join(data, "faults.json");
    for (const text of ["{", "[1]", '[{"match":{},"fault":{}}]', '[{"match":{},"fault":{"explode":true}}]']) {
      await writeFile(file, text);
      await expect(startEmulator({ faults: file })).rejects.toThrow(/^--faults .*faults\.json: /);
    }
    await expect(startEmulator({ faults: join(data, "none.json") })).rejects.toThrow("ENOENT");
  });
});

test("two emulators run side by side, with the same addresses and other ports", async () => {
  const [one, two] = await Promise.all([startLab(), startLab()]);
  const [a, b] = await Promise.all([newServer(one, "a"), newServer(two, "b")]);
  expect(a.ipv4).toBe(b.ipv4);
  expect(one.emulator.sshPort).not.toBe(two.emulator.sshPort);
  expect([await knock(a.ipv4, one.emulator.sshPort), await knock(b.ipv4, two.emulator.sshPort)]).toEqual([
    "open",
    "open",
  ]);
  await Promise.all([one.stop(), two.stop()]);
});

describe("faults", () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await startLab({ actionMs: 0, validate: false });
  });
  afterAll(async () => lab.stop());

  const set = (rules: unknown) => done(lab, "POST", "/_emulator/faults", rules);
  const outcome = (asked: Promise<Answer>) =>
    asked.then(
      (answer) => answer.status,
      () => "broken",
    );
  const create = (name: string) => lab.api("POST", "/placement_groups", { name, type: "spread" });
  const exists = async (name: string) =>
    (await lab.api("GET", `/placement_groups?name=${name}`)).body.placement_groups.length;

  test("the n-th matching request is answered otherwise, and not carried out", async () => {
    const respond = { status: 503, code: "unavailable", message: "down" };
    await set([{ match: { method: "POST", path: "/placement_groups", nth: 2 }, fault: { respond } }]);
    expect([(await create("n1")).status, (await create("n2")).status, (await create("n3")).status]).toEqual([
      201, 503, 201,
    ]);
    expect([await exists("n1"), await exists("n2")]).toEqual([1, 0]);
    expect(lab.emulator.report().faultHits).toEqual([1]);
  });

  test("or carried out, and the client does not know", async () => {
    const respondAfter = { status: 504, code: "timeout", message: "late" };
    await set([{ match: { method: "POST" }, fault: { respondAfter } }]);
    expect((await create("after")).status).toBe(504);
    expect(await exists("after")).toBe(1);
  });

  test("connections are cut before or after, for the first so many", async () => {
    await set([{ match: { method: "POST", times: 1 }, fault: { connection: "reset" } }]);
    expect([await outcome(create("cut-1")), await outcome(create("cut-2"))]).toEqual(["broken", 201]);
    expect(await exists("cut-1")).toBe(0);
    await set([{ match: { method: "POST", times: 1 }, fault: { connection: "reset-after" } }]);
    expect(await outcome(create("cut-3"))).toBe("broken");
    expect(await exists("cut-3")).toBe(1);
  });

  test("chance is the same in every run with the same seed", async () => {
    const respond = { status: 500, code: "server_error", message: "x" };
    const sequence = async () => {
      await set([{ match: { path: "/servers", probability: 0.5, seed: 7 }, fault: { respond } }]);
      const seen: number[] = [];
      for (let n = 0; n < 20; n += 1) seen.push((await lab.api("GET", "/servers")).status);
      return seen;
    };
    const first = await sequence();
    expect(await sequence()).toEqual(first);
    expect(new Set(first)).toEqual(new Set([200, 500]));
  });

  test("an action can be made to fail", async () => {
    const error = { code: "action_failed", message: "sold out" };
    await set([{ match: { path: "/servers" }, fault: { action: { error } } }]);
    const { body } = await lab.api("POST", "/servers", { name: "x", server_type: "cx23", image: "debian-12" });
    expect((await lab.api("GET", `/actions/${body.action.id}`)).body.action).toMatchObject({ status: "error", error });
  });

  test("invalid faults are refused", async () => {
    expect((await lab.api("POST", "/_emulator/faults", [{ match: { path: 1 }, fault: {} }])).status).toBe(422);
  });
});
