const { Host, loadHost } = require("@clawdlets/infra");
const hcloud = require("@pulumi/hcloud");

module.exports = async () => {
  // The address outlives the server, and so does what is on the volume.
  const address = new hcloud.PrimaryIp("web-1", {
    name: "web-1-ipv4",
    type: "ipv4",
    location: "nbg1",
    assigneeType: "server",
    autoDelete: false,
  });
  const volume = new hcloud.Volume("web-1", { name: "web-1-data", size: 20, location: "nbg1", format: "ext4" });

  const host = new Host("web-1", {
    ...(await loadHost("web-1")),
    firewallRules: [{ protocol: "tcp", port: 443, sourceIps: ["0.0.0.0/0", "::/0"], description: "web" }],
    server: { primaryIpv4Id: address.id.apply(Number), transform: (server) => ({ ...server, backups: true }) },
  });
  new hcloud.VolumeAttachment("web-1", { serverId: host.serverId, volumeId: volume.id.apply(Number) });
  return { ipv4: host.ipv4 };
};
