import { describe, expect, it } from "vitest";
import { sizeOf, worldOpenReason } from "../../../../../core/project/firewall/address-set.ts";
import { isWorldOpen } from "../../../../../core/project/firewall/cidr.ts";

describe("worldOpenReason", () => {
  it.each<[string[]]>([
    [["0.0.0.0/0"]],
    [["::/0"]],
    [["0.0.0.0/1", "128.0.0.0/1"]],
    [["0.0.0.0/1"]],
    [["::/1", "8000::/1"]],
    [["2000::/3"]],
    [["0.0.0.0/2", "64.0.0.0/2", "128.0.0.0/2", "192.0.0.0/3", "224.0.0.0/4"]],
    // One address more than a /8, and one network more than a /19.
    [["17.0.0.0/8", "203.0.113.7/32"]],
    [["16.0.0.0/7"]],
    [["2003::/19", "2001:db8::/128"]],
    [["2a00::/18"]],
    // IPv4 in the clothes of IPv6.
    [["::ffff:0:0/96"]],
    [["::ffff:0.0.0.0/97", "::ffff:128.0.0.0/97"]],
    [["::ffff:0.0.0.0/103"]],
    [["17.0.0.0/8", "::ffff:203.0.113.7/128"]],
    [["::/64"]],
    [["64:ff9b::/96"]],
    [["::/95"]],
    [["2002::/16"]],
    [["2002:1000::/23"]],
  ])("sees the world in %j", (cidrs) => expect(isWorldOpen(cidrs)).toBe(true));

  it.each<[string[]]>([
    [[]],
    [["203.0.113.7/32"]],
    [["17.0.0.0/8"]],
    [["17.0.0.0/9", "17.128.0.0/9", "17.0.0.0/16", "17.1.2.3/32"]],
    // The same /8 in both spellings is one /8.
    [["17.0.0.0/8", "::ffff:17.0.0.0/104", "2002:1100::/24"]],
    [["2003::/19"]],
    [["2003::/20", "2003:1000::/20"]],
    [["2003::/19", "17.0.0.0/8"]],
    [["::ffff:203.0.113.7/128"]],
    [["2001:db8::/64"]],
  ])("sees less in %j", (cidrs) => expect(isWorldOpen(cidrs)).toBe(false));

  it.each<[string[], string]>([
    [["0.0.0.0/0"], "covers all of IPv4 (allowed: up to a /8 in all)"],
    // It holds every mapped address too.
    [["::/0"], "covers all of IPv4 (allowed: up to a /8 in all) and all of IPv6 (allowed: up to a /19 in all)"],
    [["0.0.0.0/1"], "covers 50 % of IPv4 (allowed: up to a /8 in all)"],
    [["2600::/7"], "covers 0.7 % of IPv6 (allowed: up to a /19 in all)"],
    [["2a00::/18"], "covers less than 0.1 % of IPv6 (allowed: up to a /19 in all)"],
  ])("says of %j that it %s", (cidrs, reason) => expect(worldOpenReason(cidrs)).toBe(reason));
});

describe("sizeOf", () => {
  it.each<[string[], bigint, bigint]>([
    [["203.0.113.0/24", "203.0.113.7/32"], 256n, 0n],
    [["::ffff:203.0.113.0/120"], 256n, 256n],
    [["2001:db8::/64", "2001:db8::/65"], 0n, 2n ** 64n],
    [["2002:cb00:7107::/48"], 1n, 2n ** 80n],
    [["2002:cb00:7107:1::/64"], 1n, 2n ** 64n], // A part of what that one host may use: still its address.
  ])("counts %j as a set", (cidrs, ipv4, ipv6) => expect(sizeOf(cidrs)).toEqual({ 4: ipv4, 6: ipv6 }));
});
