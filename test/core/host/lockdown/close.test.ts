import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createHetzner } from "../../../../core/base/hetzner/client.ts";
import { closeHost } from "../../../../core/host/lockdown/close.ts";
import { knock } from "../../../emulator/_lab.ts";
import { admin, LockdownLab, ping, ssh, windowOf } from "./_lab.ts";

let world: LockdownLab;
beforeAll(async () => {
  world = await LockdownLab.open();
});
afterEach(() => world.reset());
afterAll(async () => {
  // Nothing was asked of Hetzner that its API description does not know.
  expect(world.lab.emulator.violations()).toEqual([]);
  await world.lab.stop();
});

const port = () => knock(world.server.ipv4, world.lab.emulator.sshPort);
const rulesOf = async (id: number) => (await world.lab.api("GET", `/firewalls/${id}`)).body.firewall.rules;
const close = (expected = async () => world.expected as never) => {
  const hetzner = createHetzner({ ...world.lab.emulator, limits: { attempts: 1, maxWaitSeconds: 0 } });
  return closeHost({ hetzner, tidying: hetzner }, "web-1", expected);
};
const web = { ...ssh("0.0.0.0/0"), port: "443" };

describe("closing a host", () => {
  it("closes every window of it, and leaves another host's alone", async () => {
    await world.addFirewall("mine", [ssh(admin)], { labels: windowOf("web-1") });
    const other = await world.addFirewall("theirs", [ssh("203.0.113.7/32")], { labels: windowOf("web-2") });
    expect(await port()).toBe("open");
    expect(await close()).toEqual({ windows: 1, rules: [] });
    expect(await port()).toBe("refused");
    expect(await rulesOf(other)).toHaveLength(1);
  });

  it("takes what opens TCP/22 and nothing declares out of its own firewall, and nothing else", async () => {
    await world.setRules([ping, web, { ...ssh("0.0.0.0/0", "::/0"), port: "1-1024" }]);
    expect(await port()).toBe("open");
    expect(await close()).toEqual({ windows: 0, rules: ["in tcp/1-1024 from 0.0.0.0/0, ::/0"] });
    expect(await port()).toBe("refused");
    expect((await rulesOf(world.firewallId)).map(({ port: each }: { port: string }) => each)).toEqual([null, "443"]);
  });

  it("leaves what is declared to be open", async () => {
    await world.setRules([ping, ssh(admin)]);
    const declared = { direction: "in", protocol: "tcp", port: "22", sourceIps: [admin] };
    expect(await close(async () => ({ ...world.expected, rules: [declared] }) as never)).toEqual({
      windows: 0,
      rules: [],
    });
    expect(await port()).toBe("open");
  });

  it("closes all of it where nothing says what is declared", async () => {
    await world.setRules([ssh(admin)]);
    expect(await close(async () => undefined as never)).toMatchObject({ rules: [expect.stringContaining("tcp/22")] });
    expect(await port()).toBe("refused");
  });

  it.each<[string, object, () => Promise<never>]>([
    [
      "a window that Hetzner refuses to close",
      {
        match: { method: "GET", path: "/firewalls", nth: 1 },
        fault: { respond: { status: 503, code: "unavailable", message: "no" } },
      },
      async () => world.expected as never,
    ],
    [
      "a declaration that cannot be had",
      { match: { path: "/none" }, fault: { delayMs: 1 } },
      () => Promise.reject(new Error("no state")),
    ],
  ])("is not kept from the rest by %s, and fails all the same", async (_, fault, expected) => {
    await world.setRules([ping, ssh(admin)]);
    await world.lab.api("POST", "/_emulator/faults", [fault]);
    await expect(close(expected)).rejects.toThrow();
    expect(await port()).toBe("refused");
  });

  it("asks nothing but questions when all is closed", async () => {
    await world.lab.api("POST", "/_emulator/reset-counters");
    await close();
    expect(Object.keys(world.lab.emulator.report().requests)).toEqual(["GET /firewalls"]);
  });
});
