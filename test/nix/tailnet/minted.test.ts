import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { publicKeyOf, replaceSshKey } from "../../../core/base/machine/ssh-keys.ts";
import type { MintedKey, TailnetDevice } from "../../../core/base/tailnet/types.ts";
import { knownHostsLine } from "../../../core/host/reach/known-hosts.ts";
import { findRoute, type Reach } from "../../../core/host/reach/route.ts";
import { ssh } from "../../../core/host/reach/ssh.ts";
import { policyFor } from "../../../core/host/tailnet/policy.ts";
import { layoutOf } from "../../../core/project/layout.ts";
import { describeWith } from "../../_needs.ts";
import { repository } from "../../_repository.ts";
import { printed } from "../egress/lab/_netns.ts";
import { commandLinesWith } from "./_command-lines.ts";
import { type Machine, needs, TailnetLab, until } from "./_lab.ts";

const tags = ["tag:bot-host"];
const order = (host: string, seconds = 3600) => ["mint", { host, tags, seconds }] as [string, unknown];

describeWith(needs, "headscale's API", () => {
  let lab: TailnetLab;
  let apiKey = "";
  beforeAll(async () => {
    lab = await TailnetLab.start();
    apiKey = String(await lab.headscale("apikeys", "create", "--expiration", "1h"));
    expect(apiKey).toMatch(/^hskey-api-/);
  }, 900_000);
  afterAll(() => lab?.stop());

  const call = async <T>(...calls: [string, ...unknown[]][]) => (await lab.api(calls, apiKey)) as T[];
  const minted = async (host: string) => (await call<MintedKey>(order(host)))[0] as MintedKey;
  const deviceAt = async (address: string) => {
    const [all = []] = await call<TailnetDevice[]>(["devices"]);
    return all.find(({ addresses }) => addresses.includes(address));
  };
  const addressOf = async (machine: Machine) => (await machine.status()).Self.TailscaleIPs?.[0] ?? "";

  it("mints keys that let in one machine, with tags, and that nobody reads on a command line", async () => {
    const host = await lab.machine("one");
    const { found: ofApi, result: key } = await commandLinesWith(apiKey, minted("one"));
    expect(key.key).toMatch(/^hskey-auth-/);
    const { found, result } = await commandLinesWith(key.key, host.join(key.key));
    expect(result).toMatchObject({ exitCode: 0, state: "joined" });
    expect([...ofApi, ...found]).toEqual([]);
    const device = await deviceAt(await addressOf(host));
    const { Self } = await host.status();
    expect(device).toMatchObject({ id: Self.ID, nodeKey: Self.PublicKey, name: "one", tags });
    expect(device?.expires).toBeUndefined();
    expect(await call(["isUsable", key.id], ["revoke", key.id])).toEqual([false, null]);
    const other = await lab.machine("two");
    expect((await other.join(key.key)).exitCode).toBe(1);
  }, 120_000);

  it("knows which keys can be used, and revokes one that was not", async () => {
    const [key, short] = await call<MintedKey>(order("three"), order("three", 1));
    await until("it has expired", async () => (await call(["isUsable", short?.id]))[0] === false);
    expect(
      await call(["isUsable", key?.id], ["revoke", key?.id], ["isUsable", key?.id], ["isUsable", "99999"]),
    ).toEqual([true, null, false, false]);
    const host = await lab.machine("three");
    expect(await host.join(key?.key ?? "")).toMatchObject({
      exitCode: 1,
      state: expect.stringMatching(/^not joined: /),
    });
  });

  it("refuses a wrong API key, and a name that is taken", async () => {
    const expiring = String(await lab.headscale("apikeys", "create", "--expiration", "1s"));
    expect(await call(["check"])).toEqual([null]);
    for (const wrong of ["hskey-api-canary012345-0123456789canary", "canary0123456789"]) {
      const [refused] = (await lab.api([["check"]], wrong)) as { status: number; message: string }[];
      expect(refused).toMatchObject({ status: 401, message: expect.any(String) });
      expect(refused?.message).not.toContain(wrong);
    }
    await until("the API key has expired", async () => {
      const [answer] = (await lab.api([["check"]], expiring)) as ({ status: number } | null)[];
      return answer?.status === 401;
    });
    const [first, second] = [await lab.machine("four"), await lab.machine("five")];
    for (const machine of [first, second]) await machine.join((await minted(machine.name)).key);
    const { id } = (await deviceAt(await addressOf(second))) ?? {};
    expect((await call(["rename", id, "four"]))[0]).toMatchObject({ status: 500 });
    expect(await call(["rename", id, "six"], ["device", id])).toMatchObject([null, { name: "six" }]);
  }, 120_000);

  it("lets a host that is installed again keep its name, once the old device is deleted", async () => {
    const old = await lab.machine("web");
    await old.join((await minted("web")).key);
    const recorded = await deviceAt(await addressOf(old));
    expect(recorded?.name).toBe("web");
    const foreign = { ...recorded, nodeKey: `nodekey:${"0".repeat(64)}` };
    expect(await call(["removeRecorded", foreign])).toEqual([
      { reason: expect.stringContaining("another node key"), isForeign: true },
    ]);
    await old.stop();
    // Without deleting it first: the name is taken, until it is.
    const late = await lab.machine("web-late");
    await late.join((await minted("web")).key, { UP_FLAGS: "--hostname=web" });
    const lateDevice = await deviceAt(await addressOf(late));
    expect(lateDevice?.name).toMatch(/^web-.+/);
    expect(await call(["removeRecorded", recorded], ["rename", lateDevice?.id, "web"])).toEqual([null, null]);
    expect((await deviceAt(await addressOf(late)))?.name).toBe("web");
    // As an installation does: deleted, then joined.
    await late.stop();
    expect(await call(["removeRecorded", lateDevice])).toEqual([null]);
    const again = await lab.machine("web-again");
    await again.join((await minted("web")).key, { UP_FLAGS: "--hostname=web" });
    expect((await deviceAt(await addressOf(again)))?.name).toBe("web");
    expect(await call(["device", recorded?.id], ["remove", recorded?.id], ["removeRecorded", recorded])).toEqual([
      null,
      null,
      null,
    ]);
  }, 120_000);

  it("accepts the policy that `clawdlets tailnet policy` prints", async () => {
    const file = join(lab.folder, "policy.json");
    writeFileSync(file, JSON.stringify(policyFor("headscale", tags, ["lab@"])));
    expect(await lab.headscaleText("policy", "check", "--file", file)).toBe("Policy is valid");
    writeFileSync(file, JSON.stringify({ ...policyFor("headscale", tags, ["lab@"]), groups: {} }));
    await expect(lab.headscaleText("policy", "check", "--file", file)).rejects.toThrow("group:bot-host-admins");
  });

  it("is not needed by a host that has joined: ssh works without it, also after a reboot, and again once it is back", async () => {
    const operator = await lab.machine("nc-op", "--tun=userspace-networking");
    await operator.joined();
    const host = await lab.machine("host");
    await host.join((await minted("host")).key);
    const reach = await operatorsFiles(operator);
    const args = ["--import", join(repository, "bin/typescript.mjs"), join(import.meta.dirname, "_ssh-server.ts")];
    await printed(lab.net.start("host", "node", [...args, join(operator.folder, "pinned"), "22"]), "ready");
    const answers = async () => {
      const { route } = await findRoute({ ...reach, signal: AbortSignal.timeout(60_000) });
      return route !== undefined && (await ssh(route, "true", { timeoutSeconds: 20 })).exitCode === 0;
    };
    await until("it answers", answers, 90);
    await lab.stopControl();
    try {
      expect(await answers()).toBe(true);
      await host.stop();
      await host.start();
    } finally {
      await lab.startControl();
    }
    expect(await host.join("minted-for-each-installation")).toMatchObject({ exitCode: 0, state: "joined" });
    await until("it answers again", answers, 90);
  }, 240_000);

  async function operatorsFiles(operator: Machine): Promise<Omit<Reach, "signal">> {
    const layout = layoutOf(operator.folder);
    mkdirSync(layout.dir, { recursive: true, mode: 0o700 });
    for (const key of ["pinned", "operator"]) await replaceSshKey(join(operator.folder, key), key);
    const pinned = publicKeyOf(join(operator.folder, "pinned"));
    writeFileSync(layout.knownHosts, knownHostsLine(["host"], pinned), { mode: 0o600 });
    const { tailscale } = operator;
    return {
      layout,
      settings: { host: "host", tailnet: "headscale", sshExposure: "tailnet", sshHostKey: pinned },
      local: {
        tailscale,
        endpoint: "https://api.hetzner.cloud/v1",
        token: "",
        sshPort: 22,
        sshPubkeyFile: join(operator.folder, "operator.pub"),
      },
    };
  }
});
