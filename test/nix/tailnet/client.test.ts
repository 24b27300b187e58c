import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { publicKeyOf, replaceSshKey } from "../../../core/base/machine/ssh-keys.ts";
import { knownHostsLine } from "../../../core/host/reach/known-hosts.ts";
import { findRoute, type Reach } from "../../../core/host/reach/route.ts";
import { ssh } from "../../../core/host/reach/ssh.ts";
import { findInTailnet } from "../../../core/host/reach/tailnet.ts";
import { readTailnetClient } from "../../../core/host/reach/tailnet-client.ts";
import { layoutOf } from "../../../core/project/layout.ts";
import { describeWith } from "../../_needs.ts";
import { repository } from "../../_repository.ts";
import { printed } from "../egress/lab/_netns.ts";
import { type Machine, needs, TailnetLab, until } from "./_lab.ts";

const dayMs = 24 * 60 * 60 * 1000;
const localOf = ({ tailscale }: Machine) => ({ tailscale, endpoint: "https://api.hetzner.cloud/v1", token: "" });
const problemOf = async (machine: Machine) => (await readTailnetClient(localOf(machine))).problem?.problem;
const find = (machine: Machine, host: string) => findInTailnet(localOf(machine), host, AbortSignal.timeout(20_000));

describeWith(needs, "the operator's tailscale", () => {
  let lab: TailnetLab;
  beforeAll(async () => {
    lab = await TailnetLab.start();
  }, 900_000);
  afterAll(() => lab?.stop());

  const expire = async (machine: Machine, days: number) => {
    const at = new Date(Date.now() + days * dayMs).toISOString();
    await lab.headscale("nodes", "expire", "--identifier", await lab.nodeOf(machine), "--expiry", at);
  };

  it("is read in each of its states", async () => {
    const operator = await lab.machine("states");
    expect(await problemOf(operator)).toBe("this machine is logged out of its tailnet.");
    await operator.joined();
    expect(await readTailnetClient(localOf(operator))).toMatchObject({ warnings: [], isUserspace: false });
    expect(await problemOf(operator)).toBeUndefined();
    await operator.command("down");
    expect(await problemOf(operator)).toBe("Tailscale is stopped on this machine.");
    await operator.command("up"); // What the fix says to type.
    await operator.untilIn("Running");
    await operator.stop();
    expect(await problemOf(operator)).toMatch(/^tailscaled on this machine does not answer: .*failed to connect/);
    await lab.stopControl();
    try {
      await operator.start();
      // Nothing is wrong if tailscaled has kept the last network map.
      expect((await problemOf(operator)) ?? "").toMatch(
        /^(|Tailscale on this machine is still starting \((NoState|Starting)\)\.)$/,
      );
    } finally {
      await lab.startControl();
    }
    await operator.untilIn("Running");
    await operator.command("logout");
    expect(await problemOf(operator)).toBe("this machine is logged out of its tailnet.");
  });

  it("warns of its own key three days before it expires, and says when it has", async () => {
    const operator = await lab.machine("expiring");
    await operator.joined();
    await expire(operator, 3.5);
    await until("it warns", async () => (await readTailnetClient(localOf(operator))).warnings.length > 0);
    expect((await readTailnetClient(localOf(operator))).warnings).toEqual([
      expect.objectContaining({
        problem: expect.stringMatching(/^this machine's tailnet key expires on .*, in 3 days\.$/),
      }),
    ]);
    await expire(operator, -1);
    await operator.untilIn("NeedsLogin");
    expect(await problemOf(operator)).toMatch(/^this machine's tailnet key expired on \d{4}-\d\d-\d\d\.$/);
  });

  it("knows when a host's key expires, and that it has, though the control server calls it online", async () => {
    const [operator, host] = [await lab.machine("reader"), await lab.machine("web-1")];
    await operator.joined();
    const address = await host.joined();
    await until("they see each other", async () => (await find(operator, "web-1")).addresses.includes(address));
    expect((await find(operator, "web-1")).warnings.host.size).toBe(0);
    await expire(host, 3.5);
    await until("it warns", async () => (await find(operator, "web-1")).warnings.host.has(address));
    expect((await find(operator, "web-1")).warnings.host.get(address)?.when).toBe("in 3 days");
    await expire(host, -1);
    await until("it has no address", async () => (await find(operator, "web-1")).addresses.length === 0);
    expect((await find(operator, "web-1")).problem).toMatchObject({
      code: "tailnet-expiry",
      problem: expect.stringMatching(/^the tailnet key of "web-1" expired on /),
    });
  });

  it.each([
    ["through its tunnel device", []],
    ["without one, through `tailscale nc`", ["--tun=userspace-networking"]],
  ])(
    "reaches a host by its pinned key, of two with its name, %s",
    async (_, flags) => {
      const name = flags.length === 0 ? "tun" : "nc";
      const operator = await lab.machine(`${name}-op`, ...flags);
      await operator.joined();
      const reach = await operatorsFiles(operator, name);
      const addresses = { foreign: "", host: "" };
      // The first has the name; the second is told apart by its key alone.
      for (const [machine, key] of [
        ["foreign", "foreign"],
        ["host", "pinned"],
      ] as const) {
        const host = await lab.machine(`${name}-${machine}`);
        addresses[machine] = await host.joined({ UP_FLAGS: `--hostname=${name}-web` });
        const args = ["--import", join(repository, "bin/typescript.mjs"), join(import.meta.dirname, "_ssh-server.ts")];
        const server = lab.net.start(`${name}-${machine}`, "node", [...args, join(operator.folder, key), "22"]);
        await printed(server, "ready");
      }
      await until("it sees both", async () => (await find(operator, `${name}-web`)).addresses.length === 4);
      if (flags.length === 0) {
        const args = ["--import", join(repository, "bin/typescript.mjs"), join(import.meta.dirname, "_find-route.ts")];
        const out = await lab.net.run(operator.name, "node", [...args, JSON.stringify(reach)]);
        expect(JSON.parse(out)).toMatchObject({ exitCode: 0, route: { alias: `${name}-web` } });
        expect(JSON.parse(out).route.proxyCommand).toBeUndefined();
        return;
      }
      // This process is in no namespace of the lab: every packet goes through tailscaled.
      expect((await readTailnetClient(localOf(operator))).isUserspace).toBe(true);
      const { route } = await findRoute({ ...reach, signal: AbortSignal.timeout(60_000) });
      expect(route?.proxyCommand).toBe(`'${operator.tailscale}' nc %h %p`);
      expect(route && (await ssh(route, "true", { timeoutSeconds: 20 })).exitCode).toBe(0);
      const said = route && (await ssh({ ...route, address: addresses.foreign }, "true", { timeoutSeconds: 20 }));
      expect(said).toMatchObject({ exitCode: 255, stderr: expect.stringContaining("Host key verification failed") });
    },
    90_000,
  );

  /** Keys and known hosts of an operator, as a project keeps them. */
  async function operatorsFiles(operator: Machine, name: string): Promise<Omit<Reach, "signal">> {
    const layout = layoutOf(operator.folder);
    mkdirSync(layout.dir, { recursive: true, mode: 0o700 });
    for (const key of ["pinned", "foreign", "operator"]) await replaceSshKey(join(operator.folder, key), key);
    const pinned = publicKeyOf(join(operator.folder, "pinned"));
    writeFileSync(layout.knownHosts, knownHostsLine([`${name}-web`], pinned), { mode: 0o600 });
    return {
      layout,
      settings: { host: `${name}-web`, tailnet: "tailscale", sshExposure: "tailnet", sshHostKey: pinned },
      local: { ...localOf(operator), sshPort: 22, sshPubkeyFile: join(operator.folder, "operator.pub") },
    };
  }
});
