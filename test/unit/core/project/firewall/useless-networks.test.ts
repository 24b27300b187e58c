import { describe, expect, it } from "vitest";
import { uselessReason } from "../../../../../core/project/firewall/useless-networks.ts";

describe("nobody reaches a server from", () => {
  it.each([
    ...["10.0.0.0/8", "10.1.2.3/32", "172.16.0.0/12", "172.31.255.255/32", "192.168.1.5/32", "192.168.0.0/16"],
    ...["100.64.0.0/10", "100.101.102.103/32", "169.254.1.1/32", "224.0.0.1/32", "255.255.255.255/32", "0.0.0.1/32"],
    ...["fc00::/7", "fd12:3456::/32", "fe80::1/128", "ff02::1/128", "::/128", "::ffff:192.168.1.5/128"],
  ])("%s", (cidr) => expect(uselessReason(cidr)).toMatch(/so it cannot reach a server; use your own public address/));
});

describe("someone may reach a server from", () => {
  it.each([
    ...["9.255.255.255/32", "11.0.0.0/8", "172.15.0.0/16", "172.32.0.0/16", "192.167.0.0/16", "192.169.0.0/16"],
    ...[
      "100.63.0.0/16",
      "100.128.0.0/16",
      "169.253.0.0/16",
      "223.255.255.255/32",
      "8.0.0.0/7",
      "2a01:4f8::/32",
      "2003::/19",
    ],
    // Of an emulator, and of a page; refused where the real Hetzner is asked.
    ...["127.0.0.1/32", "::1/128", "203.0.113.7/32", "2001:db8::/64"],
  ])("%s", (cidr) => expect(uselessReason(cidr)).toBeUndefined());
});

it("from this machine's own network and a page's example nobody reaches the real Hetzner", () => {
  for (const cidr of ["127.0.0.1/32", "::1/128"])
    expect(uselessReason(cidr, ["loopback"])).toMatch(/this machine's own/);
  for (const cidr of ["192.0.2.1/32", "198.51.100.0/24", "203.0.113.10/32", "2001:db8::1/128"])
    expect(uselessReason(cidr, ["documentation"])).toMatch(/reserved for documentation/);
});
