import { isos } from "../../catalog/isos.ts";
import { locationByName } from "../../catalog/locations.ts";
import { serverTypeByName } from "../../catalog/server-types.ts";
import type { Cloud } from "../../cloud/cloud.ts";
import { firewallsOf } from "../../cloud/firewall-bindings.ts";
import type { PlacementGroupRecord, ServerRecord } from "../../cloud/types.ts";
import { findImage } from "../images.ts";
import { renderServerType } from "../render-catalog.ts";

const INCLUDED_TRAFFIC_BYTES = 20 * 1024 ** 4;

export function renderServer(cloud: Cloud, server: ServerRecord): unknown {
  const type = serverTypeByName(server.serverType);
  const group = server.placementGroup === null ? undefined : cloud.placementGroups.get(server.placementGroup);
  return {
    id: server.id,
    name: server.name,
    status: server.status,
    created: server.created,
    public_net: renderPublicNet(cloud, server),
    private_net: server.privateNet.map((net) => ({
      network: net.network,
      ip: net.ip,
      alias_ips: net.aliasIps,
      mac_address: net.mac,
    })),
    server_type: type === undefined ? null : renderServerType(type, cloud.soldOut),
    location: locationByName(server.location) ?? null,
    image: server.image === null ? null : (findImage(cloud, server.image)?.rendered ?? null),
    iso: isos.find((iso) => iso.id === server.iso) ?? null,
    rescue_enabled: server.rescueEnabled,
    locked: cloud.lockOf("server", server.id) !== null,
    backup_window: server.backupWindow,
    outgoing_traffic: 0,
    ingoing_traffic: 0,
    included_traffic: INCLUDED_TRAFFIC_BYTES,
    protection: server.protection,
    labels: server.labels,
    volumes: [...cloud.volumes.values()].filter((volume) => volume.server === server.id).map((volume) => volume.id),
    load_balancers: [],
    primary_disk_size: server.primaryDiskSize,
    placement_group: group === undefined ? null : renderPlacementGroup(cloud, group),
  };
}

function renderPublicNet(cloud: Cloud, server: ServerRecord): unknown {
  const ipv4 = server.ipv4 === null ? undefined : cloud.primaryIps.get(server.ipv4);
  const ipv6 = server.ipv6 === null ? undefined : cloud.primaryIps.get(server.ipv6);
  return {
    ipv4:
      ipv4 === undefined
        ? null
        : { id: ipv4.id, ip: ipv4.ip, blocked: false, dns_ptr: ipv4.dnsPtr[0]?.dns_ptr ?? defaultDnsPtr(ipv4.ip) },
    ipv6: ipv6 === undefined ? null : { id: ipv6.id, ip: ipv6.ip, blocked: false, dns_ptr: ipv6.dnsPtr },
    floating_ips: [],
    firewalls: firewallsOf(cloud, server),
  };
}

export function defaultDnsPtr(ipv4: string): string {
  return `static.${ipv4.split(".").reverse().join(".")}.clients.emulator.example`;
}

export function renderPlacementGroup(cloud: Cloud, group: PlacementGroupRecord): unknown {
  const members = [...cloud.servers.values()].filter((server) => server.placementGroup === group.id);
  return {
    id: group.id,
    name: group.name,
    labels: group.labels,
    type: group.type,
    created: group.created,
    servers: members.map((server) => server.id),
  };
}
