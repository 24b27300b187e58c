import { randomUUID } from "node:crypto";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, it, vi } from "vitest";
import { describeWith } from "../../_needs.ts";
import { temporaryFolder } from "../../_project.ts";
import { repository } from "../../_repository.ts";
import { enough, host as evaluatedHost } from "../_host.ts";
import { SystemdMachine } from "./_systemd-machine.ts";

/** As Hetzner's metadata service writes it (talos and cloud-init read the same); the addresses are for documentation. */
const networkConfig = `config:
- mac_address: 96:00:00:12:34:56
  name: eth0
  subnets:
  - dns_nameservers:
    - 2a01:4ff:ff00::add:1
    ipv4: true
    type: dhcp
  - address: 2001:db8:1:2::1/64
    dns_nameservers:
    - 2a01:4ff:ff00::add:2
    gateway: fe80::1
    ipv6: true
    type: static
  type: physical
version: 1
`;
const withoutIpv6 = networkConfig.replace(/ {2}- address[\s\S]*static\n/, "");
const foreignMac = networkConfig.replace("12:34:56", "99:99:99");

/** Interfaces as Hetzner's servers have them: the public one, and private networks'. The name of the public one varies. */
interface Interfaces {
  public: string;
  private: string[];
  /** Of IPv4's default route. @default the public one */
  defaultRoute?: string | null;
}
const current: Interfaces = { public: "enp1s0", private: ["enp7s0", "enp8s0"] };
const older: Interfaces = { public: "ens3", private: ["ens10"] };
/** A private network's name that sorts before the public one's. */
const reversed: Interfaces = { public: "enp7s0", private: ["enp1s0"] };

const section = (name: string, values: Record<string, unknown>) =>
  `[${name}]\n${Object.entries(values)
    .map(([key, value]) => `${key}=${String(value)}\n`)
    .join("")}`;

/** The network file that the NixOS module makes, as nixpkgs writes it. */
async function uplinkFile(settings: string): Promise<string> {
  const { config } = await evaluatedHost(enough, `{ clawdlets = { ${settings} }; }`);
  const uplink = config.systemd.network.networks["10-uplink"];
  const addresses = (uplink.address as string[]).map((address) => `Address=${address}\n`).join("");
  return [
    section("Match", uplink.matchConfig),
    section("Network", uplink.networkConfig) + addresses,
    section("DHCPv4", uplink.dhcpV4Config),
    section("IPv6AcceptRA", uplink.ipv6AcceptRAConfig),
    ...(uplink.routes as Record<string, unknown>[]).map((route) => section("Route", route)),
  ].join("\n");
}

const programs = ["unshare", "systemctl", "networkctl", "dbus-daemon", "ip", "curl", "nix-instantiate"];

describeWith({ programs, root: true, cgroup: true }, "the IPv6 address, by a real systemd-networkd", () => {
  /** @param metadata what the metadata service answers; null: it cannot be reached */
  async function booted(
    onTestFinished: (work: () => Promise<void>) => void,
    interfaces: Interfaces,
    metadata: string | null,
    address = "",
    delivered = "",
  ) {
    const folder = temporaryFolder();
    const put = (path: string, text: string) => {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    };
    put(
      "etc/passwd",
      "root:x:0:0::/root:/bin/sh\nmessagebus:x:101:101::/:/bin/false\nsystemd-network:x:102:102::/:/bin/false\n",
    );
    put("etc/group", "root:x:0:\nmessagebus:x:101:\nsystemd-network:x:102:\n");
    put("etc/systemd/network/10-uplink.network", await uplinkFile(address === "" ? "" : `ipv6Address = "${address}";`));
    put("answer", metadata ?? "");
    put("var/.keep", "");
    if (delivered !== "") put("delivered", delivered);
    copyFileSync(join(repository, "nix/host/hetzner-ipv6.sh"), join(folder, "hetzner-ipv6.sh"));
    const veth = (name: string, mac: string) =>
      `ip link add ${name} address ${mac} type veth peer name peer-${name}; ip link set peer-${name} up; ip link set ${name} up`;
    const route = interfaces.defaultRoute === undefined ? interfaces.public : interfaces.defaultRoute;
    const steps = [
      "mkdir -p run/dbus run/systemd/network run/systemd/netif/links run/systemd/netif/leases run/systemd/netif/lldp",
      "chown -R 102:102 run/systemd/netif",
      ...interfaces.private.map((name, index) => veth(name, `86:00:00:00:00:0${index + 1}`)),
      veth(interfaces.public, "96:00:00:12:34:56"),
      ...(route === null ? [] : [`ip route add default dev ${route}`]),
    ];
    const machine = new SystemdMachine(folder, steps.join("\n"));
    onTestFinished(() => machine.losePower());
    await machine.boot(randomUUID());
    const run = async (...words: string[]) => await machine.run(...words);
    await run(
      "systemd-run",
      "--unit=dbus",
      "--property=Type=notify",
      "dbus-daemon",
      "--system",
      "--nofork",
      "--nopidfile",
      "--systemd-activation",
    );
    await run("systemd-run", "--unit=systemd-networkd", "--property=Type=notify", "/lib/systemd/systemd-networkd");
    const url = metadata === null ? "http://127.0.0.1:9/none" : `file://${folder}/answer`;
    const script = [
      "env",
      `METADATA=${url}`,
      `ADDRESS=${address}`,
      `DELIVERED=${folder}/delivered`,
      "bash",
      join(folder, "hetzner-ipv6.sh"),
    ];
    const { exitCode, all } = await run(...script);
    const addresses = async () => (await run("ip", "-6", "-brief", "address", "show", "scope", "global")).stdout;
    const gateways = async () => (await run("ip", "-6", "route", "show", "default")).stdout;
    return { exitCode, all, addresses, gateways };
  }

  const waitFor = { timeout: 30_000, interval: 50 };

  it.for<[string, Interfaces, string | null, string]>([
    ["what the metadata service says", current, networkConfig, ""],
    ["what it says, on an older server type", older, networkConfig, ""],
    ["what it says, where a private network's interface comes first", reversed, networkConfig, ""],
    ["what is set", current, networkConfig, "2001:db8:1:2::1/64"],
    ["what is set, where the metadata service does not answer", reversed, null, "2001:db8:1:2::1/64"],
    ["what is set, where it knows no IPv6", current, withoutIpv6, "2001:db8:1:2::1/64"],
    ["what is set, where it names a MAC that nobody has", older, foreignMac, "2001:db8:1:2::1/64"],
    [
      "what is set, without IPv4, where there is one interface",
      { public: "enp1s0", private: [], defaultRoute: null },
      null,
      "2001:db8:1:2::1/64",
    ],
  ])(
    "goes to the public interface alone: %s",
    { timeout: 120_000 },
    async ([, interfaces, metadata, address], { onTestFinished }) => {
      const { exitCode, all, addresses, gateways } = await booted(onTestFinished, interfaces, metadata, address);
      expect(exitCode, all).toBe(0);
      await vi.waitUntil(async () => (await addresses()).includes("2001:db8:1:2::1/64"), waitFor);
      expect((await addresses()).trim().split("\n")).toEqual([
        expect.stringMatching(new RegExp(`^${interfaces.public}@\\S+ +UP +2001:db8:1:2::1/64 *$`)),
      ]);
      await vi.waitUntil(async () => (await gateways()).includes("fe80::1"), waitFor);
      expect((await gateways()).trim()).toMatch(new RegExp(`^default via fe80::1 dev ${interfaces.public} [^\\n]*$`));
    },
  );

  it.for<[string, string | null, string, string]>([
    ["is what the installation left, without the metadata service", null, "2001:db8:1:9::1/64\n", "2001:db8:1:9::1/64"],
    ["is the metadata service's, if that differs", networkConfig, "2001:db8:1:9::1/64\n", "2001:db8:1:2::1/64"],
  ])("%s", { timeout: 120_000 }, async ([, metadata, delivered, expected], { onTestFinished }) => {
    const alone = { public: "enp1s0", private: [], defaultRoute: null };
    const { exitCode, all, addresses } = await booted(onTestFinished, alone, metadata, "", delivered);
    expect(exitCode, all).toBe(0);
    await vi.waitUntil(async () => (await addresses()).includes(expected), waitFor);
  });

  it.for(["2001:db8:1:9::1/64; reboot\n", "2001:db8:1:9::1\n", "\n2001:db8:1:9::1/64\n"])(
    "fails, to be tried again, if all that was left is %j",
    { timeout: 120_000 },
    async (delivered, { onTestFinished }) => {
      const { exitCode, addresses } = await booted(onTestFinished, current, null, "", delivered);
      expect([exitCode, await addresses()]).toEqual([1, ""]);
    },
  );

  it.for<[string, string]>([
    ["a server without IPv6", withoutIpv6],
    ["an address that is more than one", networkConfig.replace("::1/64", "::1/64; reboot")],
    ["an address with settings in it", networkConfig.replace("2001:db8:1:2::1/64", "2001::1/64\\nGateway=::1")],
    ["no answer of its kind", "<html></html>"],
    ["nothing", ""],
  ])("leaves the network alone for %s", { timeout: 120_000 }, async ([, answer], { onTestFinished }) => {
    const { exitCode, all, addresses } = await booted(onTestFinished, current, answer);
    expect(exitCode).toBe(0);
    expect(all).toContain("no IPv6 address");
    expect(await addresses()).toBe("");
  });

  it.for<[string, Interfaces, string | null, string, string]>([
    ["the metadata service does not answer", current, null, "", "curl"],
    [
      "nothing says which interface is the public one",
      { ...current, defaultRoute: null },
      null,
      "2001:db8:1:2::1/64",
      "cannot tell yet which of",
    ],
  ])(
    "fails, to be tried again, while %s",
    { timeout: 120_000 },
    async ([, interfaces, metadata, address, why], { onTestFinished }) => {
      const { exitCode, all, addresses } = await booted(onTestFinished, interfaces, metadata, address);
      expect(exitCode).toBe(1);
      expect(all).toContain(why);
      expect(await addresses()).toBe("");
    },
  );
});
