import type { Cloud } from "../../cloud/cloud.ts";
import type { PrimaryIpRecord, ServerRecord } from "../../cloud/types.ts";
import { invalidInput, unprocessable } from "../http/errors.ts";
import type { Call } from "../http/router.ts";

interface Wanted {
  enable_ipv4?: boolean | undefined;
  enable_ipv6?: boolean | undefined;
  ipv4?: number | null | undefined;
  ipv6?: number | null | undefined;
}

/** Gives a new server its primary IPs: the ones named, otherwise new ones that go away with it. @throws ApiError 422 */
export function assignPrimaryIps(call: Call, server: ServerRecord, wanted: Wanted): void {
  const chosen: [PrimaryIpRecord["type"], boolean, PrimaryIpRecord | null][] = [
    ["ipv4", wanted.enable_ipv4 !== false, named(call, "ipv4", wanted.ipv4, server)],
    ["ipv6", wanted.enable_ipv6 !== false, named(call, "ipv6", wanted.ipv6, server)],
  ];
  for (const [type, isEnabled, existing] of chosen) {
    if (!isEnabled) continue;
    const ip = existing ?? newPrimaryIp(call.cloud, type, server, wanted.enable_ipv4 === false);
    ip.assignee = server.id;
    server[type] = ip.id;
  }
}

export function releasePrimaryIps(cloud: Cloud, server: ServerRecord): void {
  for (const ip of cloud.primaryIps.values()) {
    if (ip.assignee !== server.id) continue;
    ip.assignee = null;
    if (ip.autoDelete && !ip.protection.delete) cloud.primaryIps.delete(ip.id);
  }
}

function named(
  call: Call,
  type: PrimaryIpRecord["type"],
  wanted: number | null | undefined,
  server: ServerRecord,
): PrimaryIpRecord | null {
  if (wanted === undefined || wanted === null || wanted === 0) return null;
  const ip = call.cloud.primaryIps.get(wanted);
  if (ip === undefined) throw invalidInput({ [`public_net.${type}`]: `primary IP ${wanted} not found` });
  if (ip.type !== type) throw unprocessable("primary_ip_version_mismatch", "the primary IP has the wrong IP version");
  if (ip.assignee !== null) throw unprocessable("primary_ip_assigned", "the primary IP is already assigned");
  if (ip.location !== server.location) {
    throw invalidInput({ [`public_net.${type}`]: `primary IP ${wanted} is in another location than the server` });
  }
  return ip;
}

function newPrimaryIp(
  cloud: Cloud,
  type: PrimaryIpRecord["type"],
  server: ServerRecord,
  isWithoutIpv4: boolean,
): PrimaryIpRecord {
  const id = cloud.nextId("primary_ip");
  const ordinal = cloud.ordinal("server", server.id);
  const ip: PrimaryIpRecord = {
    id,
    name: `primary_ip-${id}`,
    labels: {},
    created: cloud.now(),
    type,
    ip: type === "ipv4" ? freePublicIpv4(cloud, ordinal, id) : freeIpv6Network(cloud, id, isWithoutIpv4),
    location: server.location,
    assignee: server.id,
    autoDelete: true,
    protection: { delete: false },
    dnsPtr: [],
  };
  cloud.primaryIps.set(id, ip);
  return ip;
}

/** A server without IPv4 answers at `::1` if no other does. Any other network is a record only. */
function freeIpv6Network({ addresses, primaryIps }: Cloud, id: number, isWithoutIpv4: boolean): string {
  const isTaken = [...primaryIps.values()].some((ip) => ip.ip === addresses.ipv6Loopback);
  return isWithoutIpv4 && !isTaken ? addresses.ipv6Loopback : addresses.ipv6Network(id);
}

/** A server's first address follows from its id; if that one was taken from it and kept, the next follows from the IP's. */
function freePublicIpv4(cloud: Cloud, serverOrdinal: number, primaryIpId: number): string {
  const own = cloud.addresses.publicIpv4(serverOrdinal);
  const isTaken = [...cloud.primaryIps.values()].some((ip) => ip.ip === own);
  return isTaken ? cloud.addresses.primaryIpv4(cloud.ordinal("primary_ip", primaryIpId)) : own;
}
