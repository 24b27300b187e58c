import { afterAll, beforeAll, expect, test } from "vitest";
import { routes } from "../../emulator/api/routes.ts";
import { newKeyPair } from "../../emulator/machine/key-pair.ts";
import { done, type Lab, startLab } from "./_lab.ts";

let lab: Lab;
beforeAll(async () => {
  lab = await startLab({ actionMs: 0, rateLimit: 1_000_000 });
});
afterAll(async () => lab.stop());

const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPxGLPrVSzKpLuAgxNhn2LZzXRLaVwk8ldvBdHk3Y2lk tour";

test("every endpoint that is emulated agrees with the API description", async () => {
  const go = (method: string, path: string, body?: unknown) => done(lab, method, path, body);
  const asked = new Set<string>();
  const readActions = async (collection: string, id: number) => {
    const { actions } = (await go("GET", `/${collection}/${id}/actions?sort=started:desc`)).body;
    await go("GET", `/${collection}/actions`);
    await go("GET", `/${collection}/actions/${actions[0].id}`);
    await go("GET", `/${collection}/${id}/actions/${actions[0].id}`);
    await go("GET", `/actions?id=${actions[0].id}`);
  };

  for (const collection of ["locations", "server_types", "isos", "images"]) {
    const first = (await go("GET", `/${collection}?per_page=50`)).body[collection][0];
    await go("GET", `/${collection}/${first.id}`);
  }
  await go("GET", "/pricing");
  for (const gone of ["/datacenters", "/datacenters/1"]) expect((await lab.api("GET", gone)).status).toBe(410);

  const key = (await go("POST", "/ssh_keys", { name: "tour", public_key: KEY, labels: { a: "b" } })).body.ssh_key;
  await go("GET", "/ssh_keys?name=tour");
  await go("GET", `/ssh_keys/${key.id}`);
  await go("PUT", `/ssh_keys/${key.id}`, { name: "tour-2" });

  const group = (await go("POST", "/placement_groups", { name: "spread", type: "spread" })).body.placement_group;
  await go("GET", "/placement_groups");
  await go("GET", `/placement_groups/${group.id}`);
  await go("PUT", `/placement_groups/${group.id}`, { labels: { tour: "1" } });

  const network = (await go("POST", "/networks", { name: "net", ip_range: "10.0.0.0/16" })).body.network;
  const onNetwork = `/networks/${network.id}/actions`;
  await go("POST", `${onNetwork}/add_subnet`, { type: "cloud", network_zone: "eu-central", ip_range: "10.0.1.0/24" });
  await go("POST", `${onNetwork}/add_subnet`, { type: "cloud", network_zone: "eu-central" });
  await go("POST", `${onNetwork}/delete_subnet`, { ip_range: "10.0.0.0/24" });
  await go("POST", `${onNetwork}/add_route`, { destination: "10.100.1.0/24", gateway: "10.0.1.1" });
  await go("POST", `${onNetwork}/delete_route`, { destination: "10.100.1.0/24", gateway: "10.0.1.1" });
  await go("POST", `${onNetwork}/change_ip_range`, { ip_range: "10.0.0.0/12" });
  await go("POST", `${onNetwork}/change_protection`, { delete: true });
  await go("POST", `${onNetwork}/change_protection`, { delete: false });
  await go("GET", "/networks");
  await go("GET", `/networks/${network.id}`);
  await go("PUT", `/networks/${network.id}`, { name: "net-2" });

  const rules = [
    { direction: "in", protocol: "tcp", port: "22", source_ips: ["127.0.0.1/32", "2001:db8::/32"], description: "ssh" },
    { direction: "out", protocol: "icmp", destination_ips: ["0.0.0.0/0"] },
  ];
  const firewall = (await go("POST", "/firewalls", { name: "fw", rules, labels: {} })).body.firewall;

  const server = (
    await go("POST", "/servers", {
      name: "tour",
      server_type: "cx23",
      image: "debian-13",
      location: "nbg1",
      ssh_keys: [key.id],
      user_data: "#cloud-config\n{}",
      firewalls: [{ firewall: firewall.id }],
      networks: [network.id],
      labels: { role: "tour" },
      placement_group: group.id,
    })
  ).body.server;
  const onServer = `/servers/${server.id}/actions`;
  await go("GET", "/servers?status=running&sort=name:asc");
  await go("PUT", `/servers/${server.id}`, { name: "tour-2", labels: { role: "tour" } });
  await go("POST", `${onServer}/change_alias_ips`, { network: network.id, alias_ips: ["10.0.1.77"] });
  await go("GET", `/servers/${server.id}`);
  await go("POST", `${onServer}/detach_from_network`, { network: network.id });
  await go("POST", `${onServer}/attach_to_network`, { network: network.id, ip: "10.0.1.9" });
  await go("POST", `${onServer}/change_protection`, { delete: true, rebuild: true });
  await go("POST", `${onServer}/change_protection`, { delete: false, rebuild: false });
  await go("POST", `${onServer}/enable_backup`);
  const image = (await go("POST", `${onServer}/create_image`, { type: "snapshot", description: "s" })).body.image;
  await go("POST", `${onServer}/disable_backup`);
  await go("POST", `${onServer}/enable_rescue`, { type: "linux64", ssh_keys: [key.id] });
  await go("POST", `${onServer}/disable_rescue`);
  await go("POST", `${onServer}/attach_iso`, { iso: "nixos-minimal-25.11-x86_64-linux.iso" });
  await go("GET", `/servers/${server.id}`);
  await go("POST", `${onServer}/detach_iso`);
  for (const verb of ["reboot", "reset", "reset_password", "request_console", "shutdown"])
    await go("POST", `${onServer}/${verb}`);
  await go("POST", `${onServer}/remove_from_placement_group`);
  await go("POST", `${onServer}/add_to_placement_group`, { placement_group: group.id });
  await go("POST", `${onServer}/poweroff`);
  await go("POST", `${onServer}/change_type`, { server_type: "cx33", upgrade_disk: false });
  expect((await go("GET", `/servers/${server.id}`)).body.server).toMatchObject({
    status: "running",
    server_type: { name: "cx33" },
  });
  await go("POST", `${onServer}/poweroff`);
  await go("POST", `${onServer}/poweron`);
  await go("POST", `${onServer}/rebuild`, { image: "debian-12", user_data: "#cloud-config\n{}" });
  const ipv4 = server.public_net.ipv4;
  await go("POST", `${onServer}/change_dns_ptr`, { ip: ipv4.ip, dns_ptr: "host.example" });
  await go("GET", `/servers/${server.id}/metrics?type=cpu&start=2026-01-01T00:00:00Z&end=2026-01-01T01:00:00Z`);
  await readActions("servers", server.id);

  await go("PUT", `/images/${image.id}`, { description: "t", labels: { a: "b" } });
  await go("POST", `/images/${image.id}/actions/change_protection`, { delete: false });
  await go("GET", "/images?type=snapshot");
  await readActions("images", image.id);
  await go("DELETE", `/images/${image.id}`);

  const onFirewall = `/firewalls/${firewall.id}/actions`;
  await go("POST", `${onFirewall}/set_rules`, { rules: [] });
  const byLabel = [{ type: "label_selector", label_selector: { selector: "role=tour" } }];
  await go("POST", `${onFirewall}/apply_to_resources`, { apply_to: byLabel });
  await go("GET", "/firewalls?label_selector=a!=b");
  await go("GET", `/firewalls/${firewall.id}`);
  await go("PUT", `/firewalls/${firewall.id}`, { name: "fw-2" });
  await go("POST", `${onFirewall}/remove_from_resources`, { remove_from: byLabel });
  await readActions("firewalls", firewall.id);

  const volume = (await go("POST", "/volumes", { name: "vol", size: 10, server: server.id, format: "ext4" })).body
    .volume;
  const onVolume = `/volumes/${volume.id}/actions`;
  await go("GET", "/volumes");
  await go("GET", `/volumes/${volume.id}`);
  await go("PUT", `/volumes/${volume.id}`, { labels: { a: "b" } });
  await go("POST", `${onVolume}/resize`, { size: 20 });
  await go("POST", `${onVolume}/detach`);
  await go("POST", `${onVolume}/attach`, { server: server.id });
  await go("POST", `${onVolume}/detach`);
  await go("POST", `${onVolume}/change_protection`, { delete: false });
  await readActions("volumes", volume.id);
  await go("DELETE", `/volumes/${volume.id}`);

  const ip = (await go("POST", "/primary_ips", { name: "ip", type: "ipv4", location: "nbg1" })).body.primary_ip;
  const onIp = `/primary_ips/${ip.id}/actions`;
  await go("POST", `${onServer}/poweroff`);
  await go("POST", `/primary_ips/${ipv4.id}/actions/unassign`);
  await go("POST", `${onIp}/assign`, { assignee_id: server.id, assignee_type: "server" });
  await go("GET", "/primary_ips?name=ip");
  await go("GET", `/primary_ips/${ip.id}`);
  await go("PUT", `/primary_ips/${ip.id}`, { auto_delete: true });
  await go("POST", `${onIp}/change_dns_ptr`, { ip: ip.ip, dns_ptr: "ip.example" });
  await go("POST", `${onIp}/change_protection`, { delete: false });
  await readActions("primary_ips", ip.id);
  await go("POST", `${onIp}/unassign`);
  await readActions("networks", network.id);

  await go("DELETE", `/servers/${server.id}`);
  for (const path of [
    `/firewalls/${firewall.id}`,
    `/ssh_keys/${key.id}`,
    `/placement_groups/${group.id}`,
    `/networks/${network.id}`,
    `/primary_ips/${ip.id}`,
  ]) {
    await go("DELETE", path);
  }

  for (const endpoint of Object.keys(lab.emulator.report().requests)) asked.add(endpoint);
  expect(routes.map((route) => `${route.method} ${route.template}`).filter((endpoint) => !asked.has(endpoint))).toEqual(
    [],
  );
  expect(lab.emulator.violations()).toEqual([]);
}, 60_000);

test("no answer holds a datacenter, and user_data is never given back", async () => {
  const created = await done(lab, "POST", "/servers", {
    name: "quiet",
    server_type: "cx23",
    image: "debian-12",
    user_data: "#cloud-config\n# canary-in-user-data",
  });
  const read = await lab.api("GET", `/servers/${created.body.server.id}`);
  for (const answer of [created, read]) {
    expect(JSON.stringify(answer.body)).not.toContain("datacenter");
    expect(JSON.stringify(answer.body)).not.toContain("canary-in-user-data");
  }
});

test("a server without ssh keys is given a root password, one with them is not", async () => {
  const key = (await lab.api("POST", "/ssh_keys", { name: "pw", public_key: newKeyPair().public })).body.ssh_key;
  const body = { server_type: "cx23", image: "debian-12" };
  const without = await lab.api("POST", "/servers", { name: "pw-1", ...body });
  const withKey = await lab.api("POST", "/servers", { name: "pw-2", ssh_keys: [key.id], ...body });
  expect(without.body.root_password).toMatch(/^.{16,}$/);
  expect(withKey.body.root_password).toBeNull();
});
