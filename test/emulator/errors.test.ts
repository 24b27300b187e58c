import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { clientOf, done, type Lab, startLab } from "./_lab.ts";

let lab: Lab;
beforeAll(async () => {
  lab = await startLab({ actionMs: 0, rateLimit: 1_000_000 });
});
afterAll(async () => {
  expect(lab.emulator.violations()).toEqual([]);
  await lab.stop();
});

const KEY_A = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPxGLPrVSzKpLuAgxNhn2LZzXRLaVwk8ldvBdHk3Y2lk a";
const KEY_B = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFmJcKo+hWcVOsWAiVAHgtWAnmlfs1F5nhMqGuphGzsd b";
const SERVER = { server_type: "cx23", image: "debian-12" };
const RULE = { direction: "in", protocol: "tcp", port: "22", source_ips: ["127.0.0.1/32"] };

test("a request without a token, or with a wrong one, is unauthorized", async () => {
  for (const token of [null, "x".repeat(64)]) {
    const { status, body } = await clientOf(lab.emulator.endpoint, token)("GET", "/servers");
    expect([status, body.error.code]).toEqual([401, "unauthorized"]);
  }
});

test("what is not emulated is a 404 of Hetzner's shape, and listed in the report", async () => {
  const { status, body } = await lab.api("GET", "/load_balancers");
  expect([status, body.error.code]).toEqual([404, "not_found"]);
  expect(lab.emulator.report().unknownEndpoints).toContain("GET /v1/load_balancers");
});

test("broken JSON is a json_error", async () => {
  const { status, body } = await lab.api("POST", "/servers", "{");
  expect([status, body.error.code]).toEqual([400, "json_error"]);
});

describe("names are unique, and the error names the field", () => {
  test.each([
    ["/ssh_keys", { name: "one", public_key: KEY_A }, { name: "one", public_key: KEY_B }, "name"],
    ["/ssh_keys", { name: "two", public_key: KEY_B }, { name: "three", public_key: KEY_B }, "public_key"],
    ["/firewalls", { name: "one" }, { name: "one" }, "name"],
    ["/networks", { name: "one", ip_range: "10.0.0.0/8" }, { name: "one", ip_range: "10.0.0.0/8" }, "name"],
    ["/placement_groups", { name: "one", type: "spread" }, { name: "one", type: "spread" }, "name"],
    ["/servers", { name: "one", ...SERVER }, { name: "one", ...SERVER }, "name"],
    ["/volumes", { name: "one", size: 10, location: "fsn1" }, { name: "one", size: 10, location: "fsn1" }, "name"],
    [
      "/primary_ips",
      { name: "one", type: "ipv4", location: "fsn1" },
      { name: "one", type: "ipv4", location: "fsn1" },
      "name",
    ],
  ])("%s %j then %j: %s", async (path, first, second, field) => {
    expect((await lab.api("POST", path, first)).status).toBe(201);
    const { status, body } = await lab.api("POST", path, second);
    expect([status, body.error.code, body.error.details.fields[0].name]).toEqual([409, "uniqueness_error", field]);
  });
});

describe("invalid input is a 422 that names the field", () => {
  const firewall = (rule: Record<string, unknown>) => ({ name: "bad", rules: [{ ...RULE, ...rule }] });
  test.each([
    ["/servers", { name: "under_score", ...SERVER }, "name"],
    ["/servers", { name: "-a", ...SERVER }, "name"],
    ["/servers", { name: "x", ...SERVER, server_type: "cx99" }, "server_type"],
    ["/servers", { name: "x", ...SERVER, server_type: "cx22" }, "server_type"],
    ["/servers", { name: "x", ...SERVER, image: "debian-99" }, "image"],
    ["/servers", { name: "x", ...SERVER, location: "mars1" }, "location"],
    ["/servers", { name: "x", ...SERVER, location: "ash" }, "location"],
    ["/servers", { name: "x", ...SERVER, ssh_keys: [1] }, "ssh_keys"],
    ["/servers", { name: "x", ...SERVER, firewalls: [{ firewall: 1 }] }, "firewalls"],
    ["/servers", { name: "x", ...SERVER, user_data: "ä".repeat(16 * 1024 + 1) }, "user_data"],
    ["/servers", { name: "x", ...SERVER, labels: { "bad key": "v" } }, "labels"],
    ["/servers", SERVER, "name"],
    ["/ssh_keys", { name: "x", public_key: "ssh-ed25519 AAAA" }, "public_key"],
    ["/firewalls", firewall({ source_ips: ["10.0.0.1/8"] }), "rules.0.source_ips.0"],
    ["/firewalls", firewall({ source_ips: ["10.0.0.1"] }), "rules.0.source_ips.0"],
    ["/firewalls", firewall({ source_ips: ["2001:db8::1/32"] }), "rules.0.source_ips.0"],
    ["/firewalls", firewall({ source_ips: [] }), "rules.0.source_ips"],
    ["/firewalls", firewall({ source_ips: Array(101).fill("10.0.0.0/8") }), "rules.0.source_ips"],
    ["/firewalls", firewall({ port: undefined }), "rules.0.port"],
    ["/firewalls", firewall({ port: "0" }), "rules.0.port"],
    ["/firewalls", firewall({ port: "65536" }), "rules.0.port"],
    ["/firewalls", firewall({ port: "90-80" }), "rules.0.port"],
    ["/firewalls", firewall({ protocol: "icmp" }), "rules.0.port"],
    ["/firewalls", { name: "bad", rules: Array(51).fill(RULE) }, "rules"],
    ["/networks", { name: "bad", ip_range: "10.1.0.0/8" }, "ip_range"],
    ["/volumes", { name: "bad", size: 9, location: "fsn1" }, "size"],
  ])("%s %j: %s", async (path, given, field) => {
    const { status, body } = await lab.api("POST", path, given);
    expect([status, body.error.code, body.error.details.fields[0].name]).toEqual([422, "invalid_input", field]);
  });

  test.each(["page=0", "page=x", "per_page=-1", "sort=colour", "label_selector=a=b=c"])(
    "GET /servers?%s",
    async (query) => {
      const { status, body } = await lab.api("GET", `/servers?${query}`);
      expect([status, body.error.code]).toEqual([422, "invalid_input"]);
    },
  );

  test("both sides of the limits are as documented", async () => {
    const full = {
      name: "full",
      rules: Array(50).fill({ ...RULE, source_ips: Array(100).fill("10.0.0.0/8"), port: "1-65535" }),
    };
    expect((await lab.api("POST", "/firewalls", full)).status).toBe(201);
    const data = { name: "big", ...SERVER, user_data: "ä".repeat(16 * 1024) };
    expect((await lab.api("POST", "/servers", data)).status).toBe(201);
  });
});

test("IPv6 of a rule is written canonically", async () => {
  const rules = [{ ...RULE, source_ips: ["2001:DB8:0:0::/64", "0:0:0:0:0:ffff:7f00:1/128", "::/0"] }];
  const { body } = await lab.api("POST", "/firewalls", { name: "v6", rules });
  const [, mapped] = body.firewall.rules[0].source_ips;
  expect(body.firewall.rules[0].source_ips).toEqual(["2001:db8::/64", mapped, "::/0"]);
  expect(mapped).toMatch(/^::ffff:(127\.0\.0\.1|7f00:1)\/128$/);
});

test("a server takes five firewalls and no sixth", async () => {
  const ids: number[] = [];
  for (let n = 0; n < 6; n += 1)
    ids.push((await done(lab, "POST", "/firewalls", { name: `five-${n}` })).body.firewall.id);
  const firewalls = ids.slice(0, 5).map((firewall) => ({ firewall }));
  const { server } = (await done(lab, "POST", "/servers", { name: "five", ...SERVER, firewalls })).body;
  const sixth = await lab.api("POST", `/firewalls/${ids[5]}/actions/apply_to_resources`, {
    apply_to: [{ type: "server", server: { id: server.id } }],
  });
  expect([sixth.status, sixth.body.error.code]).toEqual([403, "resource_limit_exceeded"]);
});

test("applying twice, to nothing, or removing what is not there has a code each", async () => {
  const { firewall } = (await done(lab, "POST", "/firewalls", { name: "codes" })).body;
  const { server } = (await done(lab, "POST", "/servers", { name: "codes", ...SERVER, labels: { codes: "1" } })).body;
  const on = (id: number) => [{ type: "server", server: { id } }];
  const post = async (verb: string, body: unknown) => {
    const answer = await lab.api("POST", `/firewalls/${firewall.id}/actions/${verb}`, body);
    return [answer.status, answer.body.error?.code];
  };
  expect(await post("remove_from_resources", { remove_from: on(server.id) })).toEqual([
    422,
    "firewall_resource_not_found",
  ]);
  expect(await post("apply_to_resources", { apply_to: on(1) })).toEqual([422, "firewall_resource_not_found"]);
  expect(await post("apply_to_resources", { apply_to: on(server.id) })).toEqual([201, undefined]);
  expect(await post("apply_to_resources", { apply_to: on(server.id) })).toEqual([422, "firewall_already_applied"]);
  const used = await lab.api("DELETE", `/firewalls/${firewall.id}`);
  expect([used.status, used.body.error.code]).toEqual([422, "resource_in_use"]);
  expect(await post("remove_from_resources", { remove_from: on(server.id) })).toEqual([201, undefined]);
  const selector = [{ type: "label_selector", label_selector: { selector: "codes=1" } }];
  expect(await post("apply_to_resources", { apply_to: selector })).toEqual([201, undefined]);
  expect(await post("remove_from_resources", { remove_from: on(server.id) })).toEqual([
    422,
    "firewall_managed_by_label_selector",
  ]);
});

test("what is protected is not deleted or rebuilt, and both protections go together", async () => {
  const { server } = (await done(lab, "POST", "/servers", { name: "safe", ...SERVER })).body;
  const on = `/servers/${server.id}`;
  const half = await lab.api("POST", `${on}/actions/change_protection`, { delete: true });
  expect([half.status, half.body.error.code]).toEqual([422, "invalid_input"]);
  await done(lab, "POST", `${on}/actions/change_protection`, { delete: true, rebuild: true });
  for (const [method, path, body] of [
    ["DELETE", on, undefined],
    ["POST", `${on}/actions/rebuild`, { image: "debian-12" }],
  ] as const) {
    const { status, body: answer } = await lab.api(method, path, body);
    expect([status, answer.error.code]).toEqual([423, "protected"]);
  }
});

test("a full placement group is a 412 resource_unavailable", async () => {
  const { placement_group: group } = (await lab.api("POST", "/placement_groups", { name: "full", type: "spread" }))
    .body;
  for (let n = 0; n < 10; n += 1)
    await done(lab, "POST", "/servers", { name: `full-${n}`, ...SERVER, placement_group: group.id });
  const eleventh = await lab.api("POST", "/servers", { name: "full-10", ...SERVER, placement_group: group.id });
  expect([eleventh.status, eleventh.body.error.code]).toEqual([412, "resource_unavailable"]);
});

test("a datacenter is a 410 that says where to read on", async () => {
  const { status, body } = await lab.api("GET", "/datacenters");
  expect([status, body.error.code]).toEqual([410, "deprecated_api_endpoint"]);
  expect(body.error.details.announcement).toMatch(/^https:/);
});
