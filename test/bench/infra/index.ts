// The same three resources a host as main.tf beside this, and nothing else: no installation.
import { readFileSync } from "node:fs";
import * as hcloud from "@pulumi/hcloud";
import * as pulumi from "@pulumi/pulumi";

interface Variables {
  hosts: number;
  user_data: string;
  public_keys: string[];
  changed: string;
}

const given: Variables = JSON.parse(readFileSync("bench.auto.tfvars.json", "utf8"));
const firewalls: hcloud.Firewall[] = [];

for (let index = 0; index < given.hosts; index += 1) {
  const name = `bench-${index}`;
  const labels = { "managed-by": "clawdlets", "clawdlets-host": name };
  const source = index === 0 ? given.changed : "203.0.113.0/24";
  const key = new hcloud.SshKey(`${name}-bootstrap-key`, {
    name: `${name}-bootstrap`,
    publicKey: given.public_keys[index] ?? "",
    labels,
  });
  // Hetzner allows 50 firewalls a project.
  if (index < 50) {
    firewalls.push(
      new hcloud.Firewall(`${name}-firewall`, {
        name: `${name}-fw`,
        labels,
        rules: [{ direction: "in", protocol: "udp", port: "41641", sourceIps: [source], description: "tailnet" }],
      }),
    );
  }
  const firewall = firewalls[index % 50];
  new hcloud.Server(`${name}-server`, {
    name,
    serverType: "cx43",
    location: "nbg1",
    image: "debian-12",
    firewallIds: firewall ? [firewall.id.apply(Number)] : [],
    sshKeys: [key.id],
    userData: pulumi.secret(given.user_data),
    labels,
  });
}
