import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { checkTailnet } from "../../../../core/host/install/preflight.ts";

const folder = mkdtempSync(join(tmpdir(), "clawdlets-preflight-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function check(status: object, tailnet: "tailscale" | "none" = "tailscale") {
  const tailscale = join(folder, "tailscale");
  writeFileSync(tailscale, `#!/bin/sh\necho '${JSON.stringify(status)}'\n`, { mode: 0o700 });
  return checkTailnet({
    settings: { tailnet },
    local: { tailscale, endpoint: "https://api.hetzner.cloud/v1", token: "" },
  });
}

describe("before a server is bought, this machine's tailscale", () => {
  it.each(["Stopped", "NeedsLogin", "NoState"])("is refused in the state %s", async (BackendState) => {
    expect(await check({ BackendState })).toEqual([
      expect.objectContaining({ code: "tailnet-client", subject: "this machine", setting: "tailscale" }),
    ]);
  });

  it("is refused with an expired key, and not with one that still works", async () => {
    const expired = { BackendState: "NeedsLogin", Self: { KeyExpiry: "2020-01-01T00:00:00Z" } };
    expect(await check(expired)).toMatchObject([{ problem: "this machine's tailnet key expired on 2020-01-01." }]);
    const soon = new Date(Date.now() + 24 * 60 * 60 * 1000).toISOString();
    expect(await check({ BackendState: "Running", Self: { KeyExpiry: soon } })).toEqual([]);
  });

  it("does not matter to a host without a tailnet", async () => {
    expect(await check({ BackendState: "Stopped" }, "none")).toEqual([]);
  });

  it("is refused where it is not installed", async () => {
    const local = { tailscale: "/nowhere/tailscale", endpoint: "https://api.hetzner.cloud/v1", token: "" };
    expect(await checkTailnet({ settings: { tailnet: "tailscale" }, local })).toMatchObject([
      { code: "program-missing", setting: "tailscale" },
    ]);
  });
});
