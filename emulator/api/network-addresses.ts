import { locationByName } from "../catalog/locations.ts";
import type { Cloud } from "../cloud/cloud.ts";
import type { NetworkRecord, ServerRecord } from "../cloud/types.ts";
import { ipv4Number, parseRange } from "../network/cidr.ts";
import { invalidInput, notFound, unprocessable } from "./http/errors.ts";

const PUBLIC_GATEWAY = "172.31.1.1";

/** Chooses the private address of a server in a network. @throws ApiError 404, 422 */
export function attachmentFor(
  cloud: Cloud,
  networkId: number,
  server: ServerRecord,
  wanted: { ip?: string | undefined; ipRange?: string | undefined },
): { network: number; ip: string } {
  const network = cloud.networks.get(networkId);
  if (network === undefined) throw notFound("network", networkId);
  if (server.privateNet.some((net) => net.network === networkId)) {
    throw unprocessable("server_already_attached", "the server is already attached to the network");
  }
  const isUnusable = unusableIn(cloud, network);
  const within = network.subnets.filter(({ ip_range }) => !wanted.ipRange || ip_range === wanted.ipRange);
  if (wanted.ip !== undefined && wanted.ip !== "") {
    const ip = `${wanted.ip}/32`;
    const subnet = within.find(({ ip_range }) => contains(ip_range, ip));
    if (subnet === undefined) throw invalidInput({ ip: `'${wanted.ip}' is in no subnet of the network` });
    if (isEdgeOf(subnet.ip_range, wanted.ip) || isUnusable(wanted.ip)) {
      throw unprocessable("ip_not_available", "the provided network IP is not available");
    }
    return { network: networkId, ip: wanted.ip };
  }
  const zone = locationByName(server.location)?.network_zone;
  for (const subnet of within.filter(({ network_zone }) => network_zone === zone)) {
    const free = firstFree(subnet.ip_range, isUnusable);
    if (free !== null) return { network: networkId, ip: free };
  }
  throw unprocessable("no_subnet_available", "no subnet or IP is available for the server within the network");
}

/** The first address of a network is its gateway. */
export function gatewayOf(ipRange: string): string {
  const range = parseRange(ipRange);
  return range === null ? "" : dotted(range.start + 1n);
}

/** The next /24 of the network's range that no subnet uses; what the API chooses when no range is given. */
export function nextSubnetRange(network: NetworkRecord): string | null {
  const whole = parseRange(network.ipRange);
  if (whole === null) return null;
  for (let start = whole.start; start + 255n <= whole.end; start += 256n) {
    const candidate = `${dotted(start)}/24`;
    if (!network.subnets.some((subnet) => overlaps(subnet.ip_range, candidate))) return candidate;
  }
  return null;
}

export function overlaps(a: string, b: string): boolean {
  const left = parseRange(a);
  const right = parseRange(b);
  return left !== null && right !== null && left.start <= right.end && right.start <= left.end;
}

export function contains(outer: string, inner: string): boolean {
  const large = parseRange(outer);
  const small = parseRange(inner);
  return large !== null && small !== null && large.start <= small.start && small.end <= large.end;
}

/** A subnet's own address and its broadcast address, which no server gets. */
function isEdgeOf(ipRange: string, ip: string): boolean {
  const range = parseRange(ipRange);
  return range !== null && [dotted(range.start), dotted(range.end)].includes(ip);
}

/** Taken, or one of the two gateways that the API description reserves: the network's and that of public interfaces. */
function unusableIn(cloud: Cloud, network: NetworkRecord): (ip: string) => boolean {
  const unusable = takenAddresses(cloud, network.id).add(gatewayOf(network.ipRange)).add(PUBLIC_GATEWAY);
  return (ip) => unusable.has(ip);
}

function takenAddresses(cloud: Cloud, networkId: number): Set<string> {
  const taken = new Set<string>();
  for (const server of cloud.servers.values()) {
    for (const net of server.privateNet) {
      if (net.network !== networkId) continue;
      taken.add(net.ip);
      for (const alias of net.aliasIps) taken.add(alias);
    }
  }
  for (const action of cloud.actions.values()) {
    if (action.status === "running" && action.effect?.do === "server.attach" && action.effect.network === networkId) {
      taken.add(action.effect.ip);
    }
  }
  return taken;
}

function firstFree(ipRange: string, isUnusable: (ip: string) => boolean): string | null {
  const range = parseRange(ipRange);
  if (range === null) return null;
  for (let address = range.start + 1n; address < range.end; address += 1n) {
    const text = dotted(address);
    if (!isUnusable(text)) return text;
  }
  return null;
}

function dotted(address: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => String((address >> shift) & 255n)).join(".");
}

export function isIpv4(text: string): boolean {
  return /^[0-9]{1,3}(?:\.[0-9]{1,3}){3}$/.test(text) && ipv4Number(text) <= 0xffff_ffffn;
}
