import { execa } from "execa";
import { describe, expect, it } from "vitest";
import { addressChangeProblems, checkIpv6Route } from "../../../../core/host/server/ipv6-only.ts";
import { type StackState, serverIn } from "../../../../core/project/state/state.ts";

const host = "web-1";

describe("a machine without IPv6", () => {
  /** In a network namespace of its own, which has no route at all, not even to itself. */
  async function asked(ipv4Enabled: boolean, endpoint: string) {
    const call = `checkIpv6Route({ host: "web-1", ipv4Enabled: ${ipv4Enabled} }, { endpoint: "${endpoint}" })`;
    const code = `import("./core/host/server/ipv6-only.ts").then(async ({ checkIpv6Route }) => console.log(JSON.stringify(await ${call})))`;
    const node = [process.execPath, "--import", "tsx", "--eval", code];
    return JSON.parse((await execa("unshare", ["--map-root-user", "--net", ...node])).stdout);
  }

  it.each(["https://api.hetzner.cloud/v1", "http://127.0.0.1:1/v1"])(
    "cannot install such a host, and says so before one is bought at %s",
    async (endpoint) => {
      expect(await asked(false, endpoint)).toEqual([
        {
          code: "no-route",
          subject: "this machine",
          setting: "clawdlets:ipv4Enabled",
          problem: expect.stringMatching(/only a machine with IPv6 can install it, and this machine has no IPv6 route/),
          fix: expect.stringContaining("Use a network with IPv6"),
        },
      ]);
    },
  );

  it("installs any other host", async () => {
    expect(await asked(true, "https://api.hetzner.cloud/v1")).toEqual([]);
  });
});

it("a machine with a route has no problem", async () => {
  expect(await checkIpv6Route({ host, ipv4Enabled: false }, { endpoint: "http://127.0.0.1:1/v1" })).toEqual([]);
});

describe("the addresses of an existing server", () => {
  const state = (inputs: Record<string, unknown>, outputs: Record<string, unknown>): StackState => ({
    pending: [],
    resources: [{ urn: "urn", type: "hcloud:index/server:Server", id: "7", inputs, outputs }],
  });
  const nets = (ipv4Enabled: boolean) => ({ publicNets: [{ ipv4Enabled, ipv6Enabled: true }] });
  const both = state({}, { ipv4Address: "203.0.113.7" });

  it.each<[string, StackState | undefined, boolean, boolean]>([
    ["no server", undefined, false, true],
    ["one with IPv4", both, true, true],
    ["one with IPv4", both, false, false],
    ["one with an address of the program's", state(nets(true), {}), false, false],
    ["one without IPv4", state(nets(false), {}), false, true],
    ["one without IPv4", state(nets(false), {}), true, false],
    ["one whose address was removed in the console", state({}, { ipv4Address: "" }), true, true],
  ])("%s (%#): ipv4Enabled may be what is declared", (_, known, ipv4Enabled, allowed) => {
    const problems = addressChangeProblems({ host, ipv4Enabled }, serverIn(known));
    expect(problems.map(({ setting }) => setting)).toEqual(allowed ? [] : ["clawdlets:ipv4Enabled"]);
  });
});
