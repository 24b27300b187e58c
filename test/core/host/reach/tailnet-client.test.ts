import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { findInTailnet } from "../../../../core/host/reach/tailnet.ts";
import { readTailnetClient } from "../../../../core/host/reach/tailnet-client.ts";

const folder = mkdtempSync(join(tmpdir(), "clawdlets-tailnet-client-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const now = new Date("2026-12-01T12:00:00Z");
const inDays = (days: number) => new Date(now.getTime() + days * 24 * 60 * 60 * 1000).toISOString();

/** A stand-in for `tailscale` that prints this. The texts of real states are in test/nix/tailnet. */
function client(printed: { stdout?: string; stderr?: string; exitCode?: number }) {
  const tailscale = join(folder, "tail scale");
  const { stdout = "", stderr = "", exitCode = 0 } = printed;
  const script = `#!/bin/sh\ncat <<'END'\n${stdout}\nEND\ncat >&2 <<'END'\n${stderr}\nEND\nexit ${exitCode}\n`;
  writeFileSync(tailscale, script);
  chmodSync(tailscale, 0o700);
  return { tailscale, endpoint: "https://api.hetzner.cloud/v1", token: "" };
}
const status = (fields: object) => client({ stdout: JSON.stringify(fields) });
const peer = (more: object = {}) => ({ HostName: "web-1", TailscaleIPs: ["100.64.0.1"], Online: true, ...more });
const read = (fields: object) => readTailnetClient(status(fields), undefined, now);
const find = (fields: object) => findInTailnet(status(fields), "web-1", AbortSignal.timeout(10_000), now);

describe("this machine's tailscale", () => {
  it.each([
    ["Stopped", /stopped on this machine/, "Start it: tailscale up"],
    ["NeedsLogin", /logged out of its tailnet/, "Log in: tailscale up"],
    ["NeedsMachineAuth", /approved in the tailnet's admin console/, "Approve it there."],
    ["NoState", /still starting \(NoState\)/, /control server/],
    ["Starting", /still starting \(Starting\)/, /control server/],
    ["Frozen", /in the state Frozen\.$/, /tailscale status/],
  ])("says what is wrong and what to do in the state %s", async (BackendState, problem, fix) => {
    const found = (await read({ BackendState })).problem;
    expect(found).toMatchObject({ code: "tailnet-client", problem: expect.stringMatching(problem) });
    expect(found?.fix).toMatch(fix);
  });

  it("has no problem while it runs, nor where an older client says nothing of its state", async () => {
    for (const fields of [{ BackendState: "Running" }, {}]) expect((await read(fields)).problem).toBeUndefined();
  });

  it("quotes what tailscale says where its daemon does not run", async () => {
    const said = "failed to connect to local tailscaled; it doesn't appear to be running";
    const { problem } = await readTailnetClient(client({ stderr: said, exitCode: 1 }), undefined, now);
    expect(problem).toMatchObject({ code: "tailnet-client", problem: expect.stringContaining(said) });
  });

  it.each<[string, object, string | undefined, string | undefined]>([
    ["expired", { KeyExpiry: inDays(-1) }, "this machine's tailnet key expired on 2026-11-30.", undefined],
    ["three days before", { KeyExpiry: inDays(3.5) }, undefined, "expires on 2026-12-05, in 3 days."],
    ["a day before", { KeyExpiry: inDays(1.5) }, undefined, "in 1 day."],
    ["on the last day", { KeyExpiry: inDays(0.5) }, undefined, "in less than a day."],
    ["30 days before", { KeyExpiry: inDays(30) }, undefined, "in 30 days."],
    ["31 days before", { KeyExpiry: inDays(31) }, undefined, undefined],
    ["that does not expire", {}, undefined, undefined],
    ["that does not expire, as Go's zero time", { KeyExpiry: "0001-01-01T00:00:00Z" }, undefined, undefined],
  ])("knows its own key: %s", async (_, Self, problem, warning) => {
    const found = await read({ BackendState: problem === undefined ? "Running" : "NeedsLogin", Self });
    expect(found.problem?.problem).toBe(problem);
    expect(found.warnings.map(({ problem }) => problem)).toEqual(
      warning === undefined ? [] : [expect.stringContaining(warning)],
    );
  });
});

describe("a host in the tailnet", () => {
  it("has no address while the client is stopped, whatever it still says of its peers", async () => {
    const found = await find({ BackendState: "Stopped", Peer: { a: peer() } });
    expect(found).toMatchObject({ addresses: [], problem: { code: "tailnet-client" } });
  });

  it("is reached through tailscale itself where there is no tunnel device", async () => {
    const found = await find({ TUN: false, Peer: { a: peer() } });
    expect(found.proxyCommand).toBe(`'${join(folder, "tail scale")}' nc %h %p`);
    expect((await find({ TUN: true, Peer: { a: peer() } })).proxyCommand).toBeUndefined();
  });

  it("with an expired key is named as such", async () => {
    for (const more of [{ Expired: true }, { KeyExpiry: inDays(-2) }]) {
      const { problem, addresses } = await find({ Peer: { a: peer(more) } });
      expect(addresses).toEqual([]);
      expect(problem).toMatchObject({ code: "tailnet-expiry", problem: expect.stringContaining('"web-1" expired on') });
    }
    expect((await find({ Peer: { a: peer({ Expired: true }), b: peer() } })).problem).toBeUndefined();
  });

  it("is warned of before its key expires, by the address that has it", async () => {
    const { warnings } = await find({
      Peer: { a: peer({ KeyExpiry: inDays(3.1) }), b: peer({ TailscaleIPs: ["::2"] }) },
    });
    expect([...warnings.host.keys()]).toEqual(["100.64.0.1"]);
    expect(warnings.host.get("100.64.0.1")?.problem).toContain("expires on 2026-12-04, in 3 days.");
  });
});
