import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../_project.ts";
import { repository } from "../_repository.ts";

/** Runs one of nix/host with programs of ours first on its PATH. */
async function run(
  script: string,
  programs: Record<string, string>,
  { args = [], env = {} }: { args?: string[]; env?: Record<string, string> } = {},
) {
  const bin = temporaryFolder();
  for (const [name, text] of Object.entries(programs)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  return await execa("bash", [join(repository, "nix/host", script), ...args], {
    env: { PATH: [bin, process.env["PATH"]].join(delimiter), ...env },
    extendEnv: false,
    reject: false,
  });
}

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

describe("the unit for Hetzner's IPv6", () => {
  async function ask(answer: string) {
    const folder = join(temporaryFolder(), "network");
    const file = join(temporaryFolder(), "answer");
    writeFileSync(file, answer);
    const log = join(folder, "..", "reloads");
    const programs = { curl: `cat '${file}'`, networkctl: `echo "$*" >>'${log}'` };
    const result = await run("hetzner-ipv6.sh", programs, { env: { NETWORK_FOLDER: folder } });
    const network = join(folder, "05-uplink-ipv6.network");
    return {
      ...result,
      network: existsSync(network) ? readFileSync(network, "utf8") : null,
      reloads: existsSync(log) ? readFileSync(log, "utf8") : "",
    };
  }

  it("gives the address to the one interface that it is for, with the gateway that Hetzner always has", async () => {
    const { exitCode, network, reloads } = await ask(networkConfig);
    expect(exitCode).toBe(0);
    expect(network).toBe(
      "[Match]\nPermanentMACAddress=96:00:00:12:34:56\n\n[Network]\nDHCP=ipv4\nIPv6AcceptRA=yes\nAddress=2001:db8:1:2::1/64\n\n[Route]\nGateway=fe80::1\n",
    );
    expect(reloads).toBe("reload\n");
  });

  it.each([
    ["a server without IPv6", networkConfig.replace(/ {2}- address[\s\S]*static\n/, "")],
    ["an address that is more than one", networkConfig.replace("::1/64", "::1/64; reboot")],
    ["an address with settings in it", networkConfig.replace("2001:db8:1:2::1/64", "2001::1/64\\nGateway=::1")],
    ["no answer of its kind", "<html></html>"],
    ["nothing", ""],
  ])("leaves the network alone for %s", async (_, answer) => {
    const { exitCode, stderr, network, reloads } = await ask(answer);
    expect(stderr).toContain("no IPv6 address");
    expect({ exitCode, network, reloads }).toEqual({ exitCode: 0, network: null, reloads: "" });
  });

  it("fails, to be tried again, while the metadata service does not answer", async () => {
    const { exitCode } = await run("hetzner-ipv6.sh", { curl: "exit 28", networkctl: "exit 0" });
    expect(exitCode).not.toBe(0);
  });
});
