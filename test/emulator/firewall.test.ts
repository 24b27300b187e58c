import { createConnection } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { done, knock, type Lab, newServer, reportOf, startLab, until } from "./_lab.ts";

const HERE = "127.0.0.1";
const ELSEWHERE = "127.9.9.9";

let lab: Lab;
let server: { id: number; ipv4: string };
let firewall: { id: number };
let port: number;
beforeAll(async () => {
  lab = await startLab({ rateLimit: 1_000_000 });
  port = lab.emulator.sshPort;
  firewall = (await done(lab, "POST", "/firewalls", { name: "matrix" })).body.firewall;
  server = await newServer(lab, "matrix", { firewalls: [{ firewall: firewall.id }], labels: { role: "matrix" } });
});
afterAll(async () => lab.stop());

function rule(more: Record<string, unknown> = {}) {
  return { direction: "in", protocol: "tcp", port: "22", source_ips: [`${HERE}/32`], ...more };
}
const setRules = (id: number, rules: unknown[]) => done(lab, "POST", `/firewalls/${id}/actions/set_rules`, { rules });

describe("who may connect, tested by connecting", () => {
  test.each([
    ["no rule", [], "refused", "refused"],
    ["this address", [rule()], "open", "reset"],
    ["the other address", [rule({ source_ips: [`${ELSEWHERE}/32`] })], "reset", "open"],
    ["a range with both", [rule({ source_ips: ["127.0.0.0/8"] })], "open", "open"],
    ["everyone", [rule({ source_ips: ["0.0.0.0/0"] })], "open", "open"],
    ["everyone, in halves", [rule({ source_ips: ["0.0.0.0/1", "128.0.0.0/1"] })], "open", "open"],
    ["the union of two rules", [rule(), rule({ source_ips: [`${ELSEWHERE}/32`] })], "open", "open"],
    ["IPv4-mapped, one address", [rule({ source_ips: ["::ffff:127.0.0.1/128"] })], "open", "reset"],
    ["IPv4-mapped, all", [rule({ source_ips: ["::ffff:0:0/96"] })], "open", "open"],
    ["all of IPv6", [rule({ source_ips: ["::/0"] })], "refused", "refused"],
    ["a remote address", [rule({ source_ips: ["203.0.113.10/32"] })], "refused", "refused"],
    ["any port", [rule({ port: "any" })], "open", "reset"],
    ["a range of ports", [rule({ port: "1-1024" })], "open", "reset"],
    ["a range that starts at 22", [rule({ port: "22-23" })], "open", "reset"],
    ["a range that ends at 22", [rule({ port: "21-22" })], "open", "reset"],
    ["a range just below", [rule({ port: "1-21" })], "refused", "refused"],
    ["a range just above", [rule({ port: "23-65535" })], "refused", "refused"],
    ["another port", [rule({ port: "443" })], "refused", "refused"],
    ["udp", [rule({ protocol: "udp" })], "refused", "refused"],
    ["icmp", [rule({ protocol: "icmp", port: undefined })], "refused", "refused"],
    [
      "outbound",
      [{ direction: "out", protocol: "tcp", port: "22", destination_ips: ["0.0.0.0/0"] }],
      "refused",
      "refused",
    ],
  ])("%s", async (_name, rules, here, elsewhere) => {
    await setRules(firewall.id, rules);
    expect([await knock(server.ipv4, port, HERE), await knock(server.ipv4, port, ELSEWHERE)]).toEqual([
      here,
      elsewhere,
    ]);
  });
});

test("firewalls add up, and a label selector counts like a name", async () => {
  await setRules(firewall.id, [rule()]);
  const other = (
    await done(lab, "POST", "/firewalls", { name: "other", rules: [rule({ source_ips: [`${ELSEWHERE}/32`] })] })
  ).body.firewall;
  const apply_to = [{ type: "label_selector", label_selector: { selector: "role in (matrix)" } }];
  await done(lab, "POST", `/firewalls/${other.id}/actions/apply_to_resources`, { apply_to });
  expect([await knock(server.ipv4, port, HERE), await knock(server.ipv4, port, ELSEWHERE)]).toEqual(["open", "open"]);
  await done(lab, "PUT", `/servers/${server.id}`, { labels: {} });
  expect([await knock(server.ipv4, port, HERE), await knock(server.ipv4, port, ELSEWHERE)]).toEqual(["open", "reset"]);
});

test("without any firewall everyone may connect", async () => {
  const bare = await newServer(lab, "bare");
  expect([await knock(bare.ipv4, port, HERE), await knock(bare.ipv4, port, ELSEWHERE)]).toEqual(["open", "open"]);
});

test("an open connection survives the removal of the rule that allowed it", async () => {
  await setRules(firewall.id, [rule()]);
  const socket = createConnection({ host: server.ipv4, port });
  let received = 0;
  await new Promise<void>((resolve) => {
    socket.on("data", (chunk: Buffer) => {
      received += chunk.length;
      resolve();
    });
  });
  await setRules(firewall.id, []);
  expect(await knock(server.ipv4, port)).toBe("refused");
  const before = received;
  // The identification of a client: the server answers it with the list of what it can do.
  socket.write("SSH-2.0-test\r\n");
  await new Promise<void>((resolve) => socket.once("data", () => resolve()));
  expect(received).toBeGreaterThan(before);
  socket.destroy();
});

test("old rules hold while new ones are pending, and also when setting them fails", async () => {
  await setRules(firewall.id, []);
  const fault = { action: { error: { code: "action_failed", message: "no" }, durationMs: 50 } };
  await lab.api("POST", "/_emulator/faults", [
    { match: { path: "/firewalls/{id}/actions/set_rules", times: 1 }, fault },
  ]);
  const { body } = await lab.api("POST", `/firewalls/${firewall.id}/actions/set_rules`, { rules: [rule()] });
  expect(await knock(server.ipv4, port)).toBe("refused");
  const [action] = body.actions;
  let ended = action;
  while (ended.status === "running") ended = (await lab.api("GET", `/actions/${action.id}`)).body.action;
  expect(ended).toMatchObject({ status: "error", error: { code: "action_failed" } });
  expect(await knock(server.ipv4, port)).toBe("refused");
});

test("while new rules are pending, the old ones still refuse", async () => {
  await setRules(firewall.id, [rule()]);
  const slow = [
    { match: { path: "/firewalls/{id}/actions/set_rules", times: 1 }, fault: { action: { durationMs: 700 } } },
  ];
  await lab.api("POST", "/_emulator/faults", slow);
  const { body } = await lab.api("POST", `/firewalls/${firewall.id}/actions/set_rules`, { rules: [] });
  expect(body.actions[0].status).toBe("running");
  expect([await knock(server.ipv4, port, HERE), await knock(server.ipv4, port, ELSEWHERE)]).toEqual(["open", "reset"]);
  await until("the new rules hold", async () => (await knock(server.ipv4, port, HERE)) === "refused");
});

test("a server is filtered before it answers for the first time", async () => {
  const closed = (await done(lab, "POST", "/firewalls", { name: "closed" })).body.firewall;
  const fresh = await newServer(lab, "fresh", { firewalls: [{ firewall: closed.id }] });
  expect(await knock(fresh.ipv4, port)).toBe("refused");
  expect(reportOf(lab, fresh.id).connectionsAccepted).toBe(0);
});

test("what was let in and what was cut is counted", async () => {
  await setRules(firewall.id, [rule()]);
  const before = reportOf(lab, server.id);
  await knock(server.ipv4, port, HERE);
  await knock(server.ipv4, port, ELSEWHERE);
  const after = reportOf(lab, server.id);
  expect(after.connectionsAccepted - before.connectionsAccepted).toBe(1);
  expect(after.connectionsRefused - before.connectionsRefused).toBe(1);
});

test("a server that is off answers nobody", async () => {
  const off = await newServer(lab, "off");
  expect(await knock(off.ipv4, port)).toBe("open");
  await done(lab, "POST", `/servers/${off.id}/actions/poweroff`);
  expect(await knock(off.ipv4, port)).toBe("refused");
});

describe("an API that lies", () => {
  let firewall: { id: number };
  let server: { ipv4: string };
  beforeAll(async () => {
    firewall = (await done(lab, "POST", "/firewalls", { name: "lied-about" })).body.firewall;
    server = await newServer(lab, "lied-about", { firewalls: [{ firewall: firewall.id }] });
  });
  const rulesOf = async () => (await lab.api("GET", `/firewalls/${firewall.id}`)).body.firewall.rules;
  const faults = (list: unknown) => lab.api("POST", "/_emulator/faults", list);
  const set = { method: "POST", path: "/firewalls/{id}/actions/set_rules" };

  test("answers success and does nothing, to new rules and to a deletion", async () => {
    await setRules(firewall.id, [rule()]);
    await faults([
      { match: set, fault: { lie: true } },
      { match: { method: "DELETE" }, fault: { lie: true } },
    ]);
    const { status, body } = await lab.api("POST", `/firewalls/${firewall.id}/actions/set_rules`, { rules: [] });
    expect([status, body.actions[0].status]).toEqual([201, "success"]);
    expect((await lab.api("GET", `/actions?id=${body.actions[0].id}`)).body.actions[0].status).toBe("success");
    expect((await lab.api("DELETE", `/firewalls/${firewall.id}`)).status).toBe(204);
    await faults([]);
    expect(await rulesOf()).toHaveLength(1);
    expect(await knock(server.ipv4, port)).toBe("open");
  });

  test("or keeps the rules that its records say are gone", async () => {
    await setRules(firewall.id, [rule()]);
    await faults([{ match: set, fault: { action: { withoutEffect: true } } }]);
    await setRules(firewall.id, []);
    await faults([]);
    expect(await rulesOf()).toEqual([]);
    expect(await knock(server.ipv4, port)).toBe("open");
    await setRules(firewall.id, []);
    expect(await knock(server.ipv4, port)).toBe("refused");
  });
});
