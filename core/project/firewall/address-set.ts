import { mergeCidr, parseCidr } from "cidr-tools";

/**
 * More than this is "the world". IPv4: more than a /8, the largest block that IANA ever gave to one organisation
 * (ipv4-address-space registry). IPv6: more than a /19, the largest that an internet provider has for its customers
 * (RIPE: 2003::/19, 2a01:c000::/19). Whoever lets in more cannot name who that is; all but some addresses is still the world.
 */
export const worldPrefix = { 4: 8, 6: 19 } as const;

const bits = { 4: 32, 6: 128 } as const;

/** IPv6 networks whose addresses carry an IPv4 address, and after how many bits: each is that IPv4 network, spelt differently. */
const carriers = [
  { network: "::ffff:0:0/96", at: 96 }, // IPv4-mapped, RFC 4291
  { network: "::/96", at: 96 }, // IPv4-compatible, RFC 4291
  { network: "64:ff9b::/96", at: 96 }, // NAT64, RFC 6052
  { network: "2002::/16", at: 16 }, // 6to4, RFC 3056
].map(({ network, at }) => ({ ...parseCidr(network), length: Number(parseCidr(network).prefix), at }));

interface AddressSet {
  /** How many addresses of each version are in the union. IPv4 in the clothes of IPv6 counts as IPv4 too. */
  4: bigint;
  6: bigint;
}

/** The size of the union of networks, however they are cut up and spelt. */
export function sizeOf(cidrs: readonly string[]): AddressSet {
  const union = mergeCidr([...cidrs, ...cidrs.flatMap(carriedIpv4)]);
  const size: AddressSet = { 4: 0n, 6: 0n };
  for (const network of union) {
    const { version, start, end } = parseCidr(network);
    size[version === 4 ? 4 : 6] += end - start + 1n;
  }
  return size;
}

/** What makes a set of networks the world, as the end of a sentence; nothing when it is not. */
export function worldOpenReason(cidrs: readonly string[]): string | undefined {
  const size = sizeOf(cidrs);
  const parts = ([4, 6] as const).flatMap((version) => {
    if (size[version] <= 2n ** BigInt(bits[version] - worldPrefix[version])) return [];
    const percent = Number((size[version] * 1000n) / 2n ** BigInt(bits[version])) / 10;
    const share = percent >= 100 ? "all" : percent >= 0.1 ? `${percent} %` : "less than 0.1 %";
    return [`${share} of IPv${version} (allowed: up to a /${worldPrefix[version]} in all)`];
  });
  return parts.length > 0 ? `covers ${parts.join(" and ")}` : undefined;
}

/** The IPv4 networks that one IPv6 network stands for, wholly or in part. Two networks overlap only where one holds the other. */
function carriedIpv4(cidr: string): string[] {
  const { version, start, end, prefix } = parseCidr(cidr);
  if (version === 4) return [];
  return carriers.flatMap((carrier) => {
    const holds = start <= carrier.start && carrier.end <= end;
    if (holds) return ["0.0.0.0/0"];
    if (start < carrier.start || end > carrier.end) return [];
    const length = Math.min(Math.max(Number(prefix) - carrier.at, 0), 32);
    const first = (start >> BigInt(96 - carrier.at)) & 0xffff_ffffn;
    return [`${[24n, 16n, 8n, 0n].map((shift) => (first >> shift) & 0xffn).join(".")}/${length}`];
  });
}
