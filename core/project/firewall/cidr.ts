import { isIP } from "node:net";
import { mergeCidr, parseCidr } from "cidr-tools";
import { quoted } from "../../base/wording.ts";
import { worldOpenReason } from "./address-set.ts";

/** Says why `text` cannot stand in a Hetzner firewall rule, or nothing when it can. */
export function cidrProblem(text: string): string | undefined {
  const allowed = "allowed: an IPv4 or IPv6 network with its prefix, e.g. 203.0.113.7/32 or 2001:db8::/64";
  const [address = "", prefix, ...rest] = text.split("/");
  // cidr-tools takes 1.2.3.4/33 and 1.2.3/24; Node's own check of the address does not, but it takes fe80::1%eth0.
  const version = isIP(address);
  if (version === 0 || address.includes("%") || rest.length > 0) return `${quoted(text)} is not a network; ${allowed}`;
  if (prefix === undefined) return `${quoted(text)} has no prefix length; ${allowed}`;
  const bits = version === 4 ? 32 : 128;
  if (!/^(0|[1-9][0-9]{0,2})$/.test(prefix) || Number(prefix) > bits) {
    return `${quoted(text)} has a prefix length that is none of 0 to ${bits}; ${allowed}`;
  }
  // Hetzner refuses host bits (seen in hetzneronline/community-content PR 1502) only when the rule is written,
  // which would be after the server was bought.
  if (parseCidr(`${address}/${bits}`).start !== parseCidr(text).start) {
    return `${quoted(text)} is not at its network address: write ${mergeCidr(text).join(", ")}`;
  }
  return undefined;
}

/**
 * True when the networks together let in the world: more of IPv4 or IPv6 than one organisation can own, however that is
 * spelt (two halves, all but a few addresses, IPv4-mapped IPv6). @see worldOpenReason for the measure
 */
export function isWorldOpen(cidrs: readonly string[]): boolean {
  return worldOpenReason(cidrs) !== undefined;
}
