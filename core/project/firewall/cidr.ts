import { isIP } from "node:net";
import { mergeCidr, parseCidr } from "cidr-tools";
import { quoted } from "../../base/wording.ts";
import { worldOpenReason } from "./address-set.ts";

/** Says why `text` is not a valid network for a Hetzner firewall rule; undefined if it is. */
export function cidrProblem(text: string): string | undefined {
  const allowed = "allowed: an IPv4 or IPv6 network with its prefix, e.g. 203.0.113.7/32 or 2001:db8::/64";
  const [address = "", prefix, ...rest] = text.split("/");
  // cidr-tools accepts 1.2.3.4/33 and 1.2.3/24. Node's isIP does not, but it accepts fe80::1%eth0.
  const version = isIP(address);
  if (version === 0 || address.includes("%") || rest.length > 0) return `${quoted(text)} is not a network; ${allowed}`;
  if (prefix === undefined) return `${quoted(text)} has no prefix length; ${allowed}`;
  const bits = version === 4 ? 32 : 128;
  if (!/^(0|[1-9][0-9]{0,2})$/.test(prefix) || Number(prefix) > bits) {
    return `${quoted(text)} has a prefix length outside 0 to ${bits}; ${allowed}`;
  }
  // Hetzner also refuses host bits (hetzneronline/community-content PR 1502), but only when the rule is written, which is
  // after the server was bought.
  if (parseCidr(`${address}/${bits}`).start !== parseCidr(text).start) {
    return `${quoted(text)} has host bits set; write ${mergeCidr(text).join(", ")}`;
  }
  return undefined;
}

/**
 * True if the networks together cover the world: more of IPv4 or IPv6 than one organisation can own, no matter how they are
 * spelled (two halves, all except a few addresses, IPv4-mapped IPv6). @see worldOpenReason for the limit
 */
export function isWorldOpen(cidrs: readonly string[]): boolean {
  return worldOpenReason(cidrs) !== undefined;
}
