import * as pulumi from "@pulumi/pulumi";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { HostFirewall, type HostFirewallArgs } from "../../../components/host-firewall.ts";

interface Registered {
  type: string;
  name: string;
  // What was asked for, in shapes the test knows.
  // biome-ignore lint/suspicious/noExplicitAny: see above
  inputs: any;
}
const registered: Registered[] = [];

// Once: what a test has left unfinished registers with the monitor there is.
beforeAll(async () => {
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs }) => {
        registered.push({ type, name, inputs });
        return { id: "17", state: inputs };
      },
      call: () => ({}),
    },
    "clawdlets",
    "web-1",
    false,
  );
});

// Each test has a name of its own: what an earlier one registers late is not taken for this one's.
let made = 0;
// An Output cannot be awaited; what a failed apply was rejected with is in its promise.
const knownValue = <T>(output: pulumi.Output<T>) => (output as unknown as { promise(): Promise<T> }).promise();
const make = (args: Partial<HostFirewallArgs>) => new HostFirewall(`web-1-${++made}`, { host: "web-1", ...args });
const registeredFor = (number: number) => registered.filter(({ name }) => name === `web-1-${number}-firewall`);

describe("HostFirewall", () => {
  it("declares ping alone, and hands out its id", async () => {
    const firewall = make({});
    expect(await knownValue(firewall.firewallId)).toBe(17);
    expect(registeredFor(made)).toMatchObject([
      {
        type: "hcloud:index/firewall:Firewall",
        inputs: {
          name: "web-1-fw",
          labels: { "managed-by": "clawdlets", "clawdlets-host": "web-1" },
          rules: [{ direction: "in", protocol: "icmp", sourceIps: ["0.0.0.0/0", "::/0"], description: "ping" }],
        },
      },
    ]);
  });

  it("adds the team's rules, ports as numbers and Outputs too", async () => {
    const firewall = make({
      rules: [
        { protocol: "tcp", port: pulumi.output(443), sourceIps: [pulumi.output("203.0.113.0/24")], description: "web" },
      ],
    });
    expect(await knownValue(firewall.rules)).toEqual([
      { direction: "in", protocol: "icmp", sourceIps: ["0.0.0.0/0", "::/0"] },
      { direction: "in", protocol: "tcp", port: "443", sourceIps: ["203.0.113.0/24"] },
    ]);
  });

  it("refuses what is plain at once, as an InputPropertyError with its path", async () => {
    const world = { protocol: "tcp" as const, port: "1-1024", sourceIps: ["0.0.0.0/0"] };
    const error = thrownBy(() => make({ rules: [world] }));
    expect(pulumi.InputPropertyError.isInstance(error)).toBe(true);
    expect(error).toMatchObject({
      propertyPath: "rules[0]",
      reason: expect.stringContaining('HostFirewall "web-1": rules[0]'),
    });
    const refused = made;
    // Registrations come in order: had the refused one asked for a firewall, it would be here by now.
    await knownValue(make({}).firewallId);
    expect(registeredFor(made)).toHaveLength(1);
    expect(registeredFor(refused)).toEqual([]);
  });

  it("refuses several as an InputPropertiesError with each path", () => {
    const bad = { protocol: "tcp" as const, port: 0, sourceIps: ["x"] };
    const error = thrownBy(() => make({ rules: [bad] }));
    expect(pulumi.InputPropertiesError.isInstance(error)).toBe(true);
    expect(Reflect.get(error as object, "errors")).toMatchObject([
      { propertyPath: "rules[0].port" },
      { propertyPath: "rules[0].sourceIps[0]" },
    ]);
  });

  it.each<[string, Partial<HostFirewallArgs>, RegExp]>([
    [
      "a window that is kept open",
      { sshExposure: "bootstrap" },
      /STAYS OPEN to the admin networks until: clawdlets lockdown --host web-1/,
    ],
    [
      "a world that is let in on purpose",
      { rules: [{ protocol: "tcp", port: 22, sourceIps: ["0.0.0.0/0"] }], allowWorldOpenSsh: true },
      /TCP\/22 IS OPEN TO THE WORLD by allowWorldOpenSsh: what can reach it covers all of IPv4/,
    ],
  ])("warns at every run of %s", async (_, args, text) => {
    const warn = vi.spyOn(pulumi.log, "warn").mockResolvedValue();
    await knownValue(make(args).firewallId);
    expect(warn.mock.calls.map(([message]) => message).join()).toMatch(text);
    warn.mockRestore();
  });
});

function thrownBy(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return expect.fail("nothing was thrown");
}
