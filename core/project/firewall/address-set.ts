import { mergeCidr, parseCidr } from "cidr-tools";

/**
 * Anything larger counts as "the world". IPv4: a /8 is the largest block that IANA ever gave to one organisation
 * (ipv4-address-space registry). IPv6: a /19 is the largest block that an internet provider has for its customers
 * (RIPE: 2003::/19, 2a01:c000::/19). "All except a few addresses" is still the world.
 */
export const worldPrefix = { 4: 8, 6: 19 } as const;

const bits = { 4: 32, 6: 128 } as const;

/** IPv6 networks that embed IPv4 addresses, and the bit offset: other spellings of an IPv4 network. */
const carriers = [
  { network: "::ffff:0:0/96", at: 96 }, // IPv4-mapped, RFC 4291
  { network: "::/96", at: 96 }, // IPv4-compatible, RFC 4291
  { network: "64:ff9b::/96", at: 96 }, // NAT64, RFC 6052
  { network: "2002::/16", at: 16 }, // 6to4, RFC 3056
].map(({ network, at }) => ({ ...parseCidr(network), length: Number(parseCidr(network).prefix), at }));

interface AddressSet {
  /** Number of addresses of each version in the union. Embedded IPv4 addresses count as IPv4 too. */
  4: bigint;
  6: bigint;
}

/** The size of the union of networks, no matter how they are split or spelled. */
export function sizeOf(cidrs: readonly string[]): AddressSet {
  const union = mergeCidr([...cidrs, ...cidrs.flatMap(carriedIpv4)]);
  const size: AddressSet = { 4: 0n, 6: 0n };
  for (const network of union) {
    const { version, start, end } = parseCidr(network);
    size[version === 4 ? 4 : 6] += end - start + 1n;
  }
  return size;
}

/** Says why a set of networks counts as the world, as the end of a sentence; undefined if it does not. */
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

/** The IPv4 networks that an IPv6 network embeds, wholly or partly. Two networks only overlap if one contains the other. */
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
