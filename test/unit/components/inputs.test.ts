import * as pulumi from "@pulumi/pulumi";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { HetznerServer, type HetznerServerArgs } from "../../../components/hetzner-server.ts";
import { checked, shapes } from "../../../components/internal/checked.ts";
import { requirementProblem } from "../../../components/internal/requirements.ts";
import { Lockdown } from "../../../components/lockdown.ts";
import { NixosInstall } from "../../../components/nixos-install.ts";
import { pins } from "../../../toolchain/pins.ts";

interface Registered {
  type: string;
  // What was asked for, in shapes the test knows.
  // biome-ignore lint/suspicious/noExplicitAny: see above
  inputs: any;
}
const registered: Registered[] = [];

beforeAll(async () => {
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, inputs }) => {
        registered.push({ type, inputs });
        return { id: "17", state: { ...inputs, ipv4Address: "203.0.113.7", ipv6Address: "2001:db8::1" } };
      },
      call: () => ({}),
    },
    "clawdlets",
    "web-1",
    false,
  );
});
beforeEach(() => {
  registered.length = 0;
});

const knownValue = <T>(output: pulumi.Output<T>) => (output as unknown as { promise(): Promise<T> }).promise();
let made = 0;
const keys = { hostPrivateKey: "k", hostPublicKey: "k", clientPublicKey: "k" };
const server = (args: Partial<HetznerServerArgs> = {}) =>
  new HetznerServer(`s-${made++}`, {
    host: "web-1",
    serverType: "cx43",
    location: "nbg1",
    image: "debian-12",
    firewallIds: [5],
    bootstrapKeys: keys,
    ...args,
  });
const install = (args: object) =>
  new NixosInstall(`i-${made++}`, { host: "web-1", serverId: 7, address: "203.0.113.7", ...args });
const lockdown = (args: object) =>
  new Lockdown(`l-${made++}`, {
    host: "web-1",
    serverId: 7,
    address: "203.0.113.7",
    installId: "x",
    firewallId: 5,
    rules: [],
    ...args,
  });

function refusalOf(make: () => unknown): { propertyPath: string; reason: string } {
  try {
    make();
  } catch (error) {
    if (pulumi.InputPropertyError.isInstance(error)) {
      const { propertyPath, reason } = error as unknown as { propertyPath: string; reason: string };
      return { propertyPath, reason };
    }
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("an input that is wrong is refused at once, with its path", () => {
  it.each<[string, () => unknown, string, RegExp]>([
    [
      "a host's name",
      () => server({ host: "Web 1" }),
      "host",
      /HetznerServer: host is "Web 1"; allowed: a lowercase letter/,
    ],
    [
      "no firewall at all",
      () => server({ firewallIds: [] }),
      "firewallIds",
      /at least one; without a firewall every port is open/,
    ],
    [
      "a firewall's id",
      () => server({ firewallIds: [5, 0] }),
      "firewallIds[1]",
      /firewallIds\[1\] is 0; allowed: a positive/,
    ],
    ["one beside an Output", () => server({ firewallIds: [pulumi.output(5), -1] }), "firewallIds[1]", /is -1/],
    ["a server type", () => server({ serverType: "CX 43" }), "serverType", /serverType is "CX 43"/],
    ["a server's id", () => install({ serverId: 1.5 }), "serverId", /NixosInstall "web-1": serverId is 1\.5/],
    [
      "an address",
      () => install({ address: "web-1.example" }),
      "address",
      /address is "web-1\.example"; allowed: an IPv4 or IPv6 address/,
    ],
    ["a count", () => install({ reinstall: -1 }), "reinstall", /allowed: 0, 1, 2/],
    ["what is to be proved", () => lockdown({ firewallId: 0 }), "firewallId", /Lockdown "web-1": firewallId is 0/],
  ])("%s", (_, make, path, reason) => {
    expect(refusalOf(make)).toEqual({ propertyPath: path, reason: expect.stringMatching(reason) });
  });

  it("or when it comes to be, where it is not known before", async () => {
    const owner = { component: "NixosInstall", host: "web-1" };
    const checkedOutput = checked(owner, "address", pulumi.output("nowhere"), shapes.address);
    // An Output is several promises, and each of them fails.
    const parts = checkedOutput as unknown as Record<"promise" | "allResources", () => Promise<unknown>> &
      Record<"isKnown" | "isSecret", Promise<unknown>>;
    const [value] = await Promise.allSettled([parts.promise(), parts.allResources(), parts.isKnown, parts.isSecret]);
    expect(value).toMatchObject({ status: "rejected", reason: { propertyPath: "address" } });
    // The engine's runner shows such an error without a stack.
    expect(value?.status === "rejected" && pulumi.RunError.isInstance(value.reason)).toBe(true);
  });

  it("and a server whose IPv4 was removed is said to have none", () => {
    const refused = shapes.address.safeParse("").error?.issues[0]?.message;
    expect(refused).toMatch(/no longer has a public IPv4 address.*Assign one in the Hetzner console/);
  });
});

describe("the doors of a server", () => {
  const serverInputs = () => registered.find(({ type }) => type === "hcloud:index/server:Server")?.inputs;

  it("stay shut in the inputs where they are not used", async () => {
    await knownValue(server().serverId);
    expect(Object.keys(serverInputs())).not.toEqual(expect.arrayContaining(["publicNets"]));
    expect(serverInputs()).not.toHaveProperty("placementGroupId");
  });

  it("take an address and a placement group of the program's", async () => {
    await knownValue(server({ primaryIpv4Id: pulumi.output(9), placementGroupId: 3 }).serverId);
    expect(serverInputs()).toMatchObject({
      placementGroupId: 3,
      publicNets: [{ ipv4Enabled: true, ipv6Enabled: true, ipv4: 9 }],
    });
  });

  it("are without IPv4 if that is asked for, and the address is then that of IPv6", async () => {
    const { address, ipv4, ipv6 } = server({ ipv4Enabled: false });
    expect(await knownValue(address)).toBe(await knownValue(ipv6));
    expect(await knownValue(ipv4)).toBe("203.0.113.7");
    expect(serverInputs()).toMatchObject({ publicNets: [{ ipv4Enabled: false, ipv6Enabled: true }] });
    const both = server();
    expect(await knownValue(both.address)).toBe(await knownValue(both.ipv4));
  });

  it("take no IPv4 address for a server without one", () => {
    expect(refusalOf(() => server({ ipv4Enabled: false, primaryIpv4Id: 9 }))).toEqual({
      propertyPath: "primaryIpv4Id",
      reason: expect.stringContaining('HetznerServer "web-1": primaryIpv4Id is set, and ipv4Enabled is false'),
    });
  });

  it("let a transform add, and keep our labels", async () => {
    await knownValue(server({ transform: (args) => ({ ...args, backups: true, labels: { team: "acme" } }) }).serverId);
    expect(serverInputs()).toMatchObject({
      backups: true,
      labels: { team: "acme", "managed-by": "clawdlets", "clawdlets-host": "web-1" },
    });
  });

  it.each<[string, NonNullable<HetznerServerArgs["transform"]>]>([
    ["firewallIds", (args) => ({ ...args, firewallIds: [6] })],
    ["userData", ({ userData: _, ...args }) => args],
    ["deleteProtection", (args) => ({ ...args, deleteProtection: false })],
    ["ignoreRemoteFirewallIds", (args) => ({ ...args, ignoreRemoteFirewallIds: true })],
  ])("do not let a transform change %s", (name, transform) => {
    const { propertyPath, reason } = refusalOf(() => server({ transform }));
    expect([propertyPath, reason]).toEqual([
      "transform",
      expect.stringContaining(`transform changes ${name}; allowed`),
    ]);
  });
});

describe("a program on something older is told so in one line", () => {
  it.each<[{ node: string; pulumi: string }, RegExp | undefined]>([
    [{ node: "20.19.0", pulumi: pins.pulumi }, undefined],
    [{ node: "24.1.0", pulumi: "4.0.0" }, undefined],
    [
      { node: "20.18.9", pulumi: pins.pulumi },
      /^@clawdlets\/infra needs Node 20\.19\.0 or newer; this is 20\.18\.9\..*$/,
    ],
    [
      { node: "20.19.0", pulumi: "3.99.0" },
      /^@clawdlets\/infra needs @pulumi\/pulumi 3\.\d{3}\.0 or newer; .* 3\.99\.0\..*$/,
    ],
  ])("%o", (found, told) => {
    const problem = requirementProblem(found);
    if (told === undefined) expect(problem).toBeUndefined();
    else expect(problem).toMatch(told);
  });
});
