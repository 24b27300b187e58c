import { Host, loadHost } from "@clawdlets/infra";
import * as hcloud from "@pulumi/hcloud";

const network = new hcloud.Network("bots", { name: "bots", ipRange: "10.10.0.0/16" });
const subnet = new hcloud.NetworkSubnet("bots", {
  networkId: network.id.apply(Number),
  type: "cloud",
  networkZone: "eu-central",
  ipRange: "10.10.1.0/24",
});
// Never both on one machine of Hetzner's.
const spread = new hcloud.PlacementGroup("bots", { name: "bots", type: "spread" });

const addresses = { "web-1": "10.10.1.11", "web-2": "10.10.1.12" };

for (const [name, ip] of Object.entries(addresses)) {
  const settings = await loadHost(name);
  const host = new Host(name, { ...settings, server: { placementGroupId: spread.id.apply(Number) } });
  // No firewall of Hetzner's filters a private network: the hosts' own do.
  new hcloud.ServerNetwork(name, { serverId: host.serverId, subnetId: subnet.id, ip });
}
