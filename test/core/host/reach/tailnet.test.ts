import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { tailnetAddress } from "../../../../core/host/reach/tailnet.ts";

const folder = mkdtempSync(join(tmpdir(), "clawdlets-tailnet-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What is found where the tailnet's client prints this. */
async function found(printed: string): Promise<string | undefined> {
  const tailscale = join(folder, "tailscale");
  writeFileSync(tailscale, `#!/bin/sh\ncat <<'END'\n${printed}\nEND\n`, { mode: 0o700 });
  const local = { tailscale, endpoint: "https://api.hetzner.cloud/v1", token: "" };
  return await tailnetAddress(local, "web-1", AbortSignal.timeout(10_000));
}

const peer = (address: string, more: object = {}) => ({
  HostName: "web-1",
  TailscaleIPs: [address],
  Online: true,
  ...more,
});

describe("the tailnet address of a host", () => {
  it("is not that of a predecessor whose key has expired, which control servers go on calling online", async () => {
    const peers = { old: peer("100.64.0.1", { Expired: true }), next: peer("100.64.0.2") };
    expect(await found(JSON.stringify({ Peer: peers }))).toBe("100.64.0.2");
    expect(await found(JSON.stringify({ Peer: { old: peers.old } }))).toBeUndefined();
  });

  it("is unknown while the client is logged out, or prints something else than its status", async () => {
    expect(await found(JSON.stringify({ BackendState: "NeedsLogin", Peer: null }))).toBeUndefined();
    expect(await found("# Health check:\nunexpected state: NoState")).toBeUndefined();
    expect(await found("")).toBeUndefined();
  });
});
