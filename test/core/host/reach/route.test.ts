import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type ssh2 from "ssh2";
import { afterAll, afterEach, describe, expect, it, onTestFinished } from "vitest";
import { publicKeyOf, replaceSshKey } from "../../../../core/base/machine/ssh-keys.ts";
import { Stopped } from "../../../../core/base/stopped.ts";
import { knownHostsLine } from "../../../../core/host/reach/known-hosts.ts";
import { findRoute, noRoute, type Reach } from "../../../../core/host/reach/route.ts";
import { ssh } from "../../../../core/host/reach/ssh.ts";
import { layoutOf } from "../../../../core/project/layout.ts";
import { openSshServer } from "../../../_ssh-server.ts";
import { newServer, startLab } from "../../../emulator/_lab.ts";

const folder = mkdtempSync(join(tmpdir(), "clawdlets-route-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const layout = layoutOf(folder);
const key = (name: string) => join(folder, name);
for (const name of ["pinned", "foreign", "operator"]) await replaceSshKey(key(name), name);
mkdirSync(layout.dir, { recursive: true, mode: 0o700 });
writeFileSync(layout.knownHosts, knownHostsLine(["web-1"], publicKeyOf(key("pinned"))), { mode: 0o600 });

const servers: ssh2.Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** An ssh server that lets everyone in, under one of the keys. @returns its port */
async function listen(address: string, hostKey: "pinned" | "foreign", port = 0): Promise<number> {
  const server = openSshServer(key(hostKey));
  servers.push(server);
  server.listen(port, address);
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** A machine whose tailnet lists these addresses under the host's name. */
function reach(tailnetAddresses: string[], sshPort: number, more: Partial<Reach["settings"]> = {}): Reach {
  const tailscale = join(folder, "tailscale");
  const peers = tailnetAddresses.map((address) => ({ HostName: "web-1", TailscaleIPs: [address], Online: true }));
  const status = JSON.stringify({ Peer: Object.fromEntries(peers.entries()) });
  writeFileSync(tailscale, `#!/bin/sh\necho '${status}'\n`, { mode: 0o700 });
  return {
    layout,
    settings: {
      host: "web-1",
      tailnet: "tailscale",
      sshExposure: "tailnet",
      sshHostKey: publicKeyOf(key("pinned")),
      ...more,
    },
    local: {
      tailscale,
      endpoint: "https://api.hetzner.cloud/v1",
      token: "",
      sshPort,
      sshPubkeyFile: `${key("operator")}.pub`,
    },
    signal: AbortSignal.timeout(20_000),
  };
}

describe("a stop while a way is sought", () => {
  const stopped = new Stopped("SIGINT");
  it.each([
    ["no address", []],
    ["one address", ["127.0.0.1"]],
    ["two addresses", ["127.0.0.1", "127.0.0.2"]],
  ])("is the reason, not the tailnet or ssh, which it has ended: %s", async (_, addresses) => {
    const asked = { ...reach(addresses, await listen("127.0.0.1", "pinned")), signal: AbortSignal.abort(stopped) };
    await expect(findRoute(asked)).rejects.toBe(stopped);
  });
});

describe("the route to a host", () => {
  it("is to the machine with the pinned key, of several with its name", async () => {
    const port = await listen("127.0.0.1", "foreign");
    await listen("127.0.0.2", "pinned", port);
    expect((await findRoute(reach(["127.0.0.1", "127.0.0.3", "127.0.0.2"], port))).route?.address).toBe("127.0.0.2");
  });

  it("is over the public address where no machine in the tailnet has the pinned key, and the stack exposes ssh", async () => {
    const port = await listen("127.0.0.1", "foreign");
    await listen("127.0.0.2", "pinned", port);
    const request = { ...reach(["127.0.0.1"], port, { sshExposure: "public" }), address: "127.0.0.2" };
    expect((await findRoute(request)).route?.address).toBe("127.0.0.2");
    const closed = { ...request, settings: { ...request.settings, sshExposure: "tailnet" as const } };
    expect((await findRoute({ ...closed, isWindowOpen: true })).route?.address).toBe("127.0.0.2");
    expect((await findRoute(closed)).route?.address).toBe("127.0.0.1"); // The only one: ssh itself refuses its key.
  });

  it("is over the public address of a host without a tailnet", async () => {
    const request = { ...reach([], 22, { tailnet: "none" }), address: "203.0.113.7" };
    expect((await findRoute(request)).route).toMatchObject({ address: "203.0.113.7", user: "admin", alias: "web-1" });
  });

  it("is over the address that Hetzner has, of a host that another machine installed", async () => {
    const lab = await startLab();
    onTestFinished(() => lab.stop());
    const request = reach([], 22, { tailnet: "none" });
    const local = { ...request.local, endpoint: lab.emulator.endpoint, token: lab.emulator.token };
    const find = async () => findRoute({ ...request, local });
    expect(await find()).toMatchObject({ code: "address-unknown" });
    const labels = { "managed-by": "clawdlets", "clawdlets-host": "web-1" };
    await newServer(lab, "web-2", { labels: { ...labels, "clawdlets-host": "web-2" } });
    expect(await find()).toMatchObject({ code: "address-unknown" });
    const { ipv4 } = await newServer(lab, "web-1", { labels });
    expect((await find()).route?.address).toBe(ipv4);
    // Two of them: which one is it?
    await newServer(lab, "web-1-copy", { labels });
    expect(await find()).toMatchObject({ code: "address-unknown" });
  });

  it("has a reason where there is none", async () => {
    const port = await listen("127.0.0.1", "foreign");
    expect(await findRoute(reach([], port))).toEqual({ code: "not-in-tailnet", tried: [] });
    expect(await findRoute(reach([], port, { tailnet: "none" }))).toEqual({ code: "address-unknown", tried: [] });
    const wrongKey = await findRoute(reach(["127.0.0.1", "127.0.0.3"], port));
    expect(wrongKey).toMatchObject({ code: "no-session", tried: ["127.0.0.1", "127.0.0.3"] });
    expect("reasons" in wrongKey && wrongKey.reasons?.toSorted()).toEqual([
      "127.0.0.1: Host key verification failed.",
      expect.stringMatching(/^127\.0\.0\.3: ssh: .* Connection refused$/),
    ]);
  });

  it.each<[string, string | undefined, number, number?]>([
    ["has no known_hosts at all", undefined, 0],
    ["lets others read the key that it has for it", knownHostsLine(["web-1"], publicKeyOf(key("pinned"))), 0, 0o644],
    ["knows other hosts alone", knownHostsLine(["web-2", "127.0.0.9"], publicKeyOf(key("foreign"))), 0],
    ["has another host with a longer name", knownHostsLine(["web-10"], publicKeyOf(key("foreign"))), 0],
    ["has another key for it, which stays", knownHostsLine(["web-1"], publicKeyOf(key("foreign"))), 255],
  ])("trusts the key of the stack file on a machine that %s", async (_, text, exitCode, mode = 0o600) => {
    const other = layoutOf(mkdtempSync(join(folder, "other-")));
    mkdirSync(other.dir, { mode: 0o700 });
    if (text !== undefined) writeFileSync(other.knownHosts, text, { mode });
    const port = await listen("127.0.0.2", "pinned");
    const { route } = await findRoute({ ...reach(["127.0.0.2"], port), layout: other });
    expect(route && (await ssh(route, "true", { timeoutSeconds: 10 })).exitCode).toBe(exitCode);
    expect(readFileSync(other.knownHosts, "utf8")).toContain(text?.trim() ?? "web-1 ");
  });

  it("goes through tailscale where this machine has no tunnel device, and checks the pinned key all the same", async () => {
    const port = await listen("127.0.0.1", "foreign");
    await listen("127.0.0.2", "pinned", port);
    const request = reach([], port);
    const peers = ["100.64.0.1", "100.64.0.2"].map((at) => ({ HostName: "web-1", TailscaleIPs: [at], Online: true }));
    const status = JSON.stringify({ TUN: false, Peer: Object.fromEntries(peers.entries()) });
    // As `tailscale nc` does: the last number of the tailnet's address is that of loopback's.
    const connect =
      "const s=require('net').connect(+process.argv[2],'127.0.0.'+process.argv[1].split('.')[3]);process.stdin.pipe(s).pipe(process.stdout)";
    const script = `#!/bin/sh\nif [ "$1" = nc ]; then exec '${process.execPath}' -e "${connect}" "$2" "$3"; fi\necho '${status}'\n`;
    writeFileSync(request.local.tailscale, script, { mode: 0o700 });
    const { route } = await findRoute(request);
    expect(route?.address).toBe("100.64.0.2");
    expect(route && (await ssh(route, "true", { timeoutSeconds: 10 })).exitCode).toBe(0);
  });

  it("does not exist while this machine's tailscale is stopped, which is the reason", async () => {
    const request = reach(["127.0.0.1"], 22);
    writeFileSync(request.local.tailscale, `#!/bin/sh\necho '{"BackendState":"Stopped"}'\n`, { mode: 0o700 });
    const found = await findRoute(request);
    expect(found).toMatchObject({ code: "tailnet", problem: { code: "tailnet-client" } });
    expect(!found.route && noRoute("web-1", found, "Nothing was changed.").message).toBe(
      "web-1: cannot reach the host: Tailscale is stopped on this machine. Start it: tailscale up. Nothing was changed.",
    );
  });
});

describe("the error for a host without a route", () => {
  it.each([
    [
      { code: "not-in-tailnet", tried: [] } as const,
      'web-1: cannot reach the host: the tailnet has no machine "web-1" that is online. Is this machine in the tailnet ("tailscale status")? Nothing was changed.',
    ],
    [
      { code: "address-unknown", tried: [] } as const,
      "web-1: cannot reach the host: its address is unknown: this machine did not install it, and Hetzner named no server of this host. Nothing was changed.",
    ],
    [
      { code: "no-session", tried: ["100.64.0.1", "100.64.0.2"] } as const,
      'web-1: cannot reach the host: no ssh session with its pinned key at 100.64.0.1 or 100.64.0.2. Does another machine in the tailnet use its name ("tailscale status")? Nothing was changed.',
    ],
  ])("says why, then what to do: $code", (reason, text) => {
    expect(noRoute("web-1", reason, "Nothing was changed.").message).toBe(text);
  });
});
