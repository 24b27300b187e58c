import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RateLimit } from "../../emulator/api/http/rate-limit.ts";
import { parseSelector } from "../../emulator/cloud/labels.ts";
import { done, type Lab, startLab, until } from "./_lab.ts";

const SERVER = { server_type: "cx23", image: "debian-12" };

describe("actions", () => {
  let lab: Lab;
  beforeAll(async () => {
    // Long enough for a second request to arrive while it runs; compiling schemas in between would eat that up.
    lab = await startLab({ actionMs: 400, validate: false });
  });
  afterAll(async () => lab.stop());

  test("an action runs, locks its resource, and ends", async () => {
    const { body } = await lab.api("POST", "/servers", { name: "slow", ...SERVER });
    expect([body.action.status, body.action.finished, body.server.status]).toEqual(["running", null, "initializing"]);
    expect(body.next_actions.map((action: { command: string }) => action.command)).toEqual(["start_server"]);
    const refused = await lab.api("POST", `/servers/${body.server.id}/actions/poweroff`);
    expect([refused.status, refused.body.error.code]).toEqual([423, "locked"]);
    expect((await lab.api("DELETE", `/servers/${body.server.id}`)).status).toBe(423);
    const ids = [body.action.id, body.next_actions[0].id];
    await until("both have ended", async () => {
      const { actions } = (await lab.api("GET", `/actions?id=${ids[0]}&id=${ids[1]}`)).body;
      return actions.length === 2 && actions.every((action: { progress: number }) => action.progress === 100);
    });
    expect((await lab.api("GET", `/servers/${body.server.id}`)).body.server).toMatchObject({
      status: "running",
      locked: false,
    });
  });

  test("a firewall is locked while its rules are being set, and pending until they are", async () => {
    const { firewall } = (await done(lab, "POST", "/firewalls", { name: "lock" })).body;
    const { server } = (
      await done(lab, "POST", "/servers", { name: "lock", ...SERVER, firewalls: [{ firewall: firewall.id }] })
    ).body;
    const status = async () =>
      (await lab.api("GET", `/servers/${server.id}`)).body.server.public_net.firewalls[0].status;
    expect(await status()).toBe("applied");
    const set = () => lab.api("POST", `/firewalls/${firewall.id}/actions/set_rules`, { rules: [] });
    expect((await set()).status).toBe(201);
    expect((await set()).body.error.code).toBe("locked");
    expect(await status()).toBe("pending");
    await until("the rules are applied", async () => (await status()) === "applied");
  });

  test("a firewall is still in use for a while after its server is gone", async () => {
    const { firewall } = (await done(lab, "POST", "/firewalls", { name: "linger" })).body;
    const { server } = (
      await done(lab, "POST", "/servers", { name: "linger", ...SERVER, firewalls: [{ firewall: firewall.id }] })
    ).body;
    await lab.api("DELETE", `/servers/${server.id}`);
    expect((await lab.api("GET", `/firewalls/${firewall.id}`)).body.firewall.applied_to).toEqual([]);
    expect((await lab.api("DELETE", `/firewalls/${firewall.id}`)).body.error.code).toBe("resource_in_use");
    await until("it can be deleted", async () => (await lab.api("DELETE", `/firewalls/${firewall.id}`)).status === 204);
  });

  test("and for a while after it was removed", async () => {
    const { server } = (await done(lab, "POST", "/servers", { name: "removed", ...SERVER })).body;
    const applied = [{ type: "server", server: { id: server.id } }];
    const { firewall } = (await done(lab, "POST", "/firewalls", { name: "removed", apply_to: applied })).body;
    await done(lab, "POST", `/firewalls/${firewall.id}/actions/remove_from_resources`, { remove_from: applied });
    expect((await lab.api("DELETE", `/firewalls/${firewall.id}`)).body.error.code).toBe("resource_in_use");
    await until("it can be deleted", async () => (await lab.api("DELETE", `/firewalls/${firewall.id}`)).status === 204);
  });

  test("actions are only listed by their ids", async () => {
    expect((await lab.api("GET", "/actions")).body.error.code).toBe("deprecated_api_endpoint");
    expect((await lab.api("GET", "/actions?id=1")).body.actions).toEqual([]);
  });
});

describe("lists", () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await startLab({ actionMs: 0, rateLimit: 1_000_000 });
    for (let n = 1; n <= 60; n += 1) {
      const name = `p-${String(n).padStart(2, "0")}`;
      await lab.api("POST", "/placement_groups", {
        name,
        type: "spread",
        labels: { n: String(n), ...(n % 2 ? { odd: "" } : {}) },
      });
    }
  });
  afterAll(async () => lab.stop());

  test.each([
    ["", 25, { page: 1, per_page: 25, previous_page: null, next_page: 2, last_page: 3, total_entries: 60 }],
    ["?page=3", 10, { page: 3, per_page: 25, previous_page: 2, next_page: null, last_page: 3, total_entries: 60 }],
    ["?per_page=50", 50, { page: 1, per_page: 50, previous_page: null, next_page: 2, last_page: 2, total_entries: 60 }],
    ["?per_page=51", 50, { page: 1, per_page: 50, previous_page: null, next_page: 2, last_page: 2, total_entries: 60 }],
    ["?page=9", 0, { page: 9, per_page: 25, previous_page: 8, next_page: null, last_page: 3, total_entries: 60 }],
    ["?name=p-07", 1, { page: 1, per_page: 25, previous_page: null, next_page: null, last_page: 1, total_entries: 1 }],
    [
      "?label_selector=odd",
      25,
      { page: 1, per_page: 25, previous_page: null, next_page: 2, last_page: 2, total_entries: 30 },
    ],
  ])("GET /placement_groups%s gives %i", async (query, length, pagination) => {
    const { body } = await lab.api("GET", `/placement_groups${query}`);
    expect(body.placement_groups).toHaveLength(length);
    expect(body.meta.pagination).toEqual(pagination);
  });

  test("sorting goes both ways", async () => {
    const first = async (sort: string) =>
      (await lab.api("GET", `/placement_groups?sort=${sort}`)).body.placement_groups[0].name;
    expect([await first("name:asc"), await first("name:desc"), await first("id:desc")]).toEqual([
      "p-01",
      "p-60",
      "p-60",
    ]);
  });

  test.each([
    ["env=prod", true],
    ["env==prod", true],
    ["env!=prod", false],
    ["env!=dev", true],
    ["none!=dev", true],
    ["env", true],
    ["!env", false],
    ["!none", true],
    ["env in (dev, prod)", true],
    ["env in (dev)", false],
    ["env notin (dev)", true],
    ["env notin (prod,dev)", false],
    ["none in (a)", false],
    ["env=prod,tier=", true],
    ["env=prod,!tier", false],
    ["env in (prod,dev),tier", true],
    ["example.com/role=web", true],
  ])("the selector %s on env=prod, tier='', example.com/role=web is %s", (selector, expected) => {
    const labels = { env: "prod", tier: "", "example.com/role": "web" };
    expect(parseSelector(selector)?.(labels)).toBe(expected);
  });

  test.each(["", "=", "a=b=c", "a in b", "a in (b", "a b", "a,,b", "!a=b"])("%j is not a selector", (selector) => {
    expect(parseSelector(selector)).toBeNull();
  });
});

describe("the quota", () => {
  test("is counted down in every answer, and then 429", async () => {
    const lab = await startLab({ rateLimit: 3 });
    const answers = [];
    for (let n = 0; n < 4; n += 1) answers.push(await lab.api("GET", "/locations"));
    await lab.stop();
    expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200, 429]);
    expect(answers.map((answer) => answer.headers.get("RateLimit-Remaining"))).toEqual(["2", "1", "0", "0"]);
    expect(answers[3]?.body.error.code).toBe("rate_limit_exceeded");
    expect(answers[0]?.headers.get("RateLimit-Limit")).toBe("3");
  });

  test("fills at a 3600th of the limit a second, up to the limit", () => {
    let now = 1_000_000;
    const limit = new RateLimit(7200, () => now);
    for (let n = 0; n < 7200; n += 1) expect(limit.take()).toBe(true);
    expect(limit.take()).toBe(false);
    expect(limit.headers()).toMatchObject({ "RateLimit-Remaining": "0", "RateLimit-Reset": String(1000 + 3600) });
    now += 1000;
    expect([limit.take(), limit.take(), limit.take()]).toEqual([true, true, false]);
    now += 10 * 3_600_000;
    expect(limit.headers()).toMatchObject({ "RateLimit-Remaining": "7200" });
  });
});
