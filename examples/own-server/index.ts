import { bootstrapUserData, Lockdown, loadHost, NixosInstall } from "@clawdlets/infra";
import * as hcloud from "@pulumi/hcloud";

const host = "web-1";
const { settings, bootstrapKeys, beforeCreate } = await loadHost(host);
if (bootstrapKeys === undefined)
  throw new Error(`no one-time keys here: npx --no-install clawdlets init --host ${host}`);

const firewall = new hcloud.Firewall("web", {
  name: "web",
  rules: [{ direction: "in", protocol: "tcp", port: "443", sourceIps: ["0.0.0.0/0", "::/0"] }],
});
const server = new hcloud.Server(
  host,
  {
    name: host,
    serverType: settings.serverType,
    location: settings.location,
    image: "debian-12",
    firewallIds: [firewall.id.apply(Number)],
    userData: bootstrapUserData(bootstrapKeys),
  },
  // The one-time keys are replaced after the installation; another user_data would replace the server.
  {
    protect: false,
    ignoreChanges: ["image", "location", "userData"],
    // Secrets, flake and installer are checked before the server is bought.
    hooks: { beforeCreate: [async () => beforeCreate?.()] },
  },
);

const serverId = server.id.apply(Number);
const address = server.ipv4Address;
const { installId } = new NixosInstall(host, { host, serverId, address });
const rules = [{ direction: "in" as const, protocol: "tcp" as const, port: "443", sourceIps: ["0.0.0.0/0", "::/0"] }];
new Lockdown(host, { host, serverId, address, installId, firewallId: firewall.id.apply(Number), rules });

export { address, installId };
