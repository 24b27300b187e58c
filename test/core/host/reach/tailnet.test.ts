import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { tailnetAddresses } from "../../../../core/host/reach/tailnet.ts";

const folder = mkdtempSync(join(tmpdir(), "clawdlets-tailnet-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The addresses found where the tailnet's client prints this. */
async function addressesIn(printed: string): Promise<string[]> {
  const tailscale = join(folder, "tailscale");
  writeFileSync(tailscale, `#!/bin/sh\ncat <<'END'\n${printed}\nEND\n`, { mode: 0o700 });
  const local = { tailscale, endpoint: "https://api.hetzner.cloud/v1", token: "" };
  return await tailnetAddresses(local, "web-1", AbortSignal.timeout(10_000));
}

const peer = (address: string, more: object = {}) => ({
  HostName: "web-1",
  TailscaleIPs: [address],
  Online: true,
  ...more,
});

const addressesOf = (...peers: object[]) => addressesIn(JSON.stringify({ Peer: Object.fromEntries(peers.entries()) }));

describe("the tailnet addresses of a host", () => {
  it("are those of every machine that calls itself so, and of the one that the tailnet calls so", async () => {
    const impostor = peer("100.64.0.1", { DNSName: "web-1.tail0.ts.net." });
    const second = peer("100.64.0.2", { DNSName: "web-1-1.tail0.ts.net." });
    const renamed = peer("100.64.0.3", { HostName: "localhost", DNSName: "web-1.tail0.ts.net." });
    const other = peer("100.64.0.4", { HostName: "web-10", DNSName: "web-10.tail0.ts.net." });
    expect(await addressesOf(impostor, second, renamed, other)).toEqual(["100.64.0.1", "100.64.0.2", "100.64.0.3"]);
  });

  it("are all that a machine has, IPv4 first", async () => {
    const addresses = await addressesOf(
      peer("", { TailscaleIPs: ["fd7a:115c:a1e0::1", "100.64.0.1"] }),
      peer("", { TailscaleIPs: ["100.64.0.2", "fd7a:115c:a1e0::2"] }),
      peer("", { TailscaleIPs: null }),
    );
    expect(addresses).toEqual(["100.64.0.1", "100.64.0.2", "fd7a:115c:a1e0::1", "fd7a:115c:a1e0::2"]);
  });

  it("are not those of a predecessor whose key has expired, which control servers go on calling online", async () => {
    const old = peer("100.64.0.1", { Expired: true });
    expect(await addressesOf(old, peer("100.64.0.2"))).toEqual(["100.64.0.2"]);
    expect(await addressesOf(old)).toEqual([]);
  });

  it("are unknown while the client is logged out, or prints something else than its status", async () => {
    expect(await addressesIn(JSON.stringify({ BackendState: "NeedsLogin", Peer: null }))).toEqual([]);
    expect(await addressesIn("# Health check:\nunexpected state: NoState")).toEqual([]);
    expect(await addressesIn("")).toEqual([]);
  });
});
