import { normalizeCidr, parseCidr } from "cidr-tools";

export interface Range {
  version: 4 | 6;
  start: bigint;
  end: bigint;
}

const MAPPED_PREFIX = 0xffffn;

/** @returns null if the text is not a CIDR with a prefix. */
export function parseRange(cidr: string): (Range & { isAtNetworkAddress: boolean; canonical: string }) | null {
  const slash = cidr.lastIndexOf("/");
  if (slash <= 0) return null;
  // A prefix is one to three digits: Number() would also take " 8" and "1e1".
  if (!/^(?:0|[1-9][0-9]{0,2})$/.test(cidr.slice(slash + 1))) return null;
  try {
    const net = parseCidr(cidr);
    const address = parseCidr(cidr.slice(0, slash));
    return {
      version: net.version,
      start: net.start,
      end: net.end,
      isAtNetworkAddress: address.start === net.start,
      canonical: `${canonicalAddress(cidr.slice(0, slash))}/${net.prefix}`,
    };
  } catch (error) {
    if (error instanceof Error) return null;
    throw error;
  }
}

function canonicalAddress(address: string): string {
  return normalizeCidr(address);
}

/**
 * The IPv4 addresses that a range stands for, or null. An IPv4-mapped range (inside ::ffff:0:0/96) is the IPv4 range in
 * another spelling; a wider IPv6 range such as ::/0 is about IPv6 senders and lets no IPv4 one in.
 */
export function ipv4Part(range: Range): { start: bigint; end: bigint } | null {
  if (range.version === 4) return { start: range.start, end: range.end };
  if (range.start >> 32n !== MAPPED_PREFIX || range.end >> 32n !== MAPPED_PREFIX) return null;
  return { start: range.start & 0xffff_ffffn, end: range.end & 0xffff_ffffn };
}

/** The IPv6 addresses that a range stands for, or null: an IPv4-mapped range is one of IPv4. */
export function ipv6Part(range: Range): { start: bigint; end: bigint } | null {
  return range.version === 4 || ipv4Part(range) !== null ? null : { start: range.start, end: range.end };
}

export function ipv4Number(address: string): bigint {
  return address.split(".").reduce((sum, octet) => (sum << 8n) + BigInt(octet), 0n);
}
