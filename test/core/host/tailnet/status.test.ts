import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type ssh2 from "ssh2";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { statusLines } from "../../../../cli/tailnet/_lines.ts";
import { publicKeyOf, replaceSshKey } from "../../../../core/base/machine/ssh-keys.ts";
import { knownHostsLine } from "../../../../core/host/reach/known-hosts.ts";
import { tailnetStatus } from "../../../../core/host/tailnet/status.ts";
import { layoutOf } from "../../../../core/project/layout.ts";
import type { HostSettings, LocalSettings } from "../../../../core/project/settings/host.ts";
import { openSshServer } from "../../../_ssh-server.ts";

/**
 * What `clawdlets tailnet status` prints, in text and as JSON. A stand-in prints what tailscale says in each state; that the real one
 * says so is tested in test/nix/tailnet. ssh is real: the host is on 127.0.0.1, and another machine with its name on 127.0.0.2.
 */
const folder = mkdtempSync(join(tmpdir(), "clawdlets-tailnet-status-"));
const layout = layoutOf(folder);
const servers: ssh2.Server[] = [];
let port = 0;

beforeAll(async () => {
  mkdirSync(layout.dir, { recursive: true, mode: 0o700 });
  for (const name of ["pinned", "foreign", "operator"]) await replaceSshKey(join(folder, name), name);
  writeFileSync(layout.knownHosts, knownHostsLine(["web-1"], publicKeyOf(join(folder, "pinned"))), { mode: 0o600 });
  port = await serve("pinned", "127.0.0.1", 0);
  await serve("foreign", "127.0.0.2", port);
});
afterAll(() => {
  for (const server of servers) server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** An ssh server that lets everyone in. @returns its port */
async function serve(key: string, address: string, at: number): Promise<number> {
  const server = openSshServer(join(folder, key));
  servers.push(server);
  server.listen(at, address);
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

const inDays = (days: number) => new Date(Date.now() + days * 24 * 60 * 60 * 1000).toISOString();
const dayOf = (days: number) => inDays(days).slice(0, 10);
const peer = (more: object = {}) => ({
  ID: "7",
  HostName: "web-1",
  DNSName: "web-1.tail.test.",
  TailscaleIPs: ["127.0.0.1"],
  Tags: ["tag:bot-host"],
  Online: true,
  ...more,
});
const namesake = { ID: "8", DNSName: "web-1-1.tail.test.", TailscaleIPs: ["127.0.0.2"], Tags: null };

let count = 0;
/** @param printed what `tailscale status --json` prints; text for what it says without a daemon */
async function status(printed: object | string) {
  const tailscale = join(folder, `tailscale-${count++}`);
  const script =
    typeof printed === "string"
      ? `echo "${printed}" >&2; exit 1`
      : // As `tailscale nc ADDRESS PORT`, it joins its streams to the port.
        `if [ "$1" = nc ]; then exec ${process.execPath} ${join(folder, "nc.mjs")} "$2" "$3"; fi\ncat <<'END'\n${JSON.stringify(printed)}\nEND`;
  writeFileSync(
    join(folder, "nc.mjs"),
    `import { connect } from "node:net";
const socket = connect(Number(process.argv[3]), process.argv[2]);
process.stdin.pipe(socket);
socket.pipe(process.stdout);
socket.on("error", () => process.exit(1));
`,
  );
  writeFileSync(tailscale, `#!/bin/sh\n${script}\n`);
  chmodSync(tailscale, 0o700);
  const found = await tailnetStatus({
    layout,
    settings: { host: "web-1", tailnet: "tailscale", sshExposure: "tailnet" } as HostSettings,
    local: {
      tailscale,
      endpoint: "https://api.hetzner.cloud/v1",
      token: "",
      sshPort: port,
      sshPubkeyFile: join(folder, "operator.pub"),
    } as LocalSettings,
    signal: AbortSignal.timeout(60_000),
  });
  return { json: JSON.parse(JSON.stringify(found)) as typeof found, lines: statusLines("web-1", found) };
}

const hostLine = "web-1 (7): 127.0.0.1; the host, by its pinned key; tag:bot-host; key does not expire soon";
const inTailnet = "this machine: in the tailnet";

describe("clawdlets tailnet status", () => {
  it("shows the host by its pinned key while the client runs", async () => {
    const { json, lines } = await status({ BackendState: "Running", Peer: { a: peer() } });
    expect(lines).toEqual([inTailnet, hostLine]);
    expect(json).toEqual({
      client: { ok: true, problems: [] },
      machines: [
        { id: "7", name: "web-1", addresses: ["127.0.0.1"], tags: ["tag:bot-host"], online: true, isHost: true },
      ],
      left: [],
    });
  });

  it.each<[string, string, string]>([
    ["Stopped", "Tailscale is stopped on this machine.", "Start it: tailscale up"],
    ["NeedsLogin", "this machine is logged out of its tailnet.", "Log in: tailscale up"],
    ["NeedsMachineAuth", "this machine waits to be approved in the tailnet's admin console.", "Approve it there."],
    [
      "NoState",
      "Tailscale on this machine is still starting (NoState).",
      "If that lasts, its control server cannot be reached: tailscale netcheck",
    ],
    [
      "Starting",
      "Tailscale on this machine is still starting (Starting).",
      "If that lasts, its control server cannot be reached: tailscale netcheck",
    ],
  ])("says what is wrong in the state %s, and tries no machine", async (BackendState, problem, fix) => {
    const { json, lines } = await status({ BackendState, Peer: { a: peer() } });
    expect(lines).toEqual([
      "this machine: NOT in the tailnet",
      `  ${problem} ${fix}`,
      "web-1 (7): 127.0.0.1; not tried; tag:bot-host; key does not expire soon",
    ]);
    expect(json.client).toEqual({ ok: false, problems: [{ code: "tailnet-client", problem, fix }] });
    expect(json.machines.map(({ isHost }) => isHost)).toEqual([undefined]);
  });

  it("says that no daemon answers, in tailscale's own words", async () => {
    const { json, lines } = await status("failed to connect to local tailscaled");
    expect(lines).toEqual([
      "this machine: NOT in the tailnet",
      "  tailscaled on this machine does not answer: failed to connect to local tailscaled. Start it: sudo systemctl start tailscaled; on macOS, open the Tailscale app.",
      "web-1: the tailnet has no machine of this name",
    ]);
    expect(json).toMatchObject({ client: { ok: false, problems: [{ code: "tailnet-client" }] }, machines: [] });
  });

  it("reaches the host through tailscale itself where the machine has no tunnel device", async () => {
    const { json, lines } = await status({ BackendState: "Running", TUN: false, Peer: { a: peer() } });
    expect(lines).toEqual([inTailnet, hostLine]);
    expect(json.machines).toMatchObject([{ isHost: true }]);
  });

  it("says when this machine's own key expired", async () => {
    const { json, lines } = await status({ BackendState: "NeedsLogin", Self: { KeyExpiry: inDays(-2) } });
    expect(lines.slice(0, 2)).toEqual([
      "this machine: NOT in the tailnet",
      `  this machine's tailnet key expired on ${dayOf(-2)}. Log in again: tailscale up --force-reauth`,
    ]);
    expect(json.client).toMatchObject({ ok: false, problems: [{ code: "tailnet-client" }] });
  });

  it("warns of keys that expire soon, this machine's and the host's", async () => {
    const { json, lines } = await status({
      BackendState: "Running",
      Self: { KeyExpiry: inDays(3.5) },
      Peer: { a: peer({ KeyExpiry: inDays(9.5) }) },
    });
    expect(lines).toEqual([
      inTailnet,
      `  this machine's tailnet key expires on ${dayOf(3.5)}, in 3 days. Renew it before then: tailscale up --force-reauth`,
      `web-1 (7): 127.0.0.1; the host, by its pinned key; tag:bot-host; expires on ${dayOf(9.5)}`,
    ]);
    expect(json.client).toMatchObject({ ok: true, problems: [{ code: "tailnet-expiry" }] });
    expect(json.machines).toMatchObject([{ isHost: true, expiry: `expires on ${dayOf(9.5)}` }]);
  });

  it("tells the host from other machines with its name, online or not", async () => {
    const { json, lines } = await status({
      BackendState: "Running",
      Peer: {
        a: peer(namesake),
        b: peer(),
        c: peer({ ID: "9", DNSName: "web-1-2.tail.test.", TailscaleIPs: ["127.0.0.3"], Online: false }),
      },
    });
    expect(lines).toEqual([
      inTailnet,
      "web-1-1 (8): 127.0.0.2; NOT web-1: Host key verification failed.; no tags; key does not expire soon",
      hostLine,
      "web-1-2 (9): 127.0.0.3; offline; tag:bot-host; key does not expire soon",
    ]);
    expect(json.machines.map(({ isHost }) => isHost)).toEqual([false, true, undefined]);
  });

  it.each([
    ["the tunnel device", true, /^ssh: connect to host 127\.0\.0\.4 port \d+: Connection refused$/],
    ["tailscale itself", false, /^Connection closed$/],
  ])("does not call a machine that is silent another one, reached through %s", async (_, TUN, reason) => {
    const silent = peer({ TailscaleIPs: ["127.0.0.4"] });
    const { json, lines } = await status({ BackendState: "Running", TUN, Peer: { a: silent } });
    const [machine] = json.machines;
    expect(machine).not.toHaveProperty("isHost");
    expect(machine?.reason).toMatch(reason);
    expect(lines).toEqual([
      inTailnet,
      `web-1 (7): 127.0.0.4; no ssh session: ${machine?.reason}; tag:bot-host; key does not expire soon`,
    ]);
  });
});
