import { describe, expect, it } from "vitest";
import { cidrProblem } from "../../../../../core/project/firewall/cidr.ts";

describe("cidrProblem", () => {
  it.each([
    "203.0.113.7/32",
    "203.0.113.0/24",
    "0.0.0.0/0",
    "10.0.0.0/8",
    "2001:db8::/64",
    "2001:db8::1/128",
    "::/0",
    "::ffff:1.2.3.4/128",
  ])("takes %s", (cidr) => expect(cidrProblem(cidr)).toBeUndefined());

  it.each([
    ["203.0.113.7", "no prefix length"],
    ["203.0.113.7/24", "write 203.0.113.0/24"],
    ["2001:db8::1/64", "write 2001:db8::/64"],
    ["203.0.113.7/33", "outside 0 to 32"],
    ["2001:db8::/129", "outside 0 to 128"],
    ["203.0.113.7/032", "outside 0 to 32"],
    ["203.0.113.7/-1", "outside 0 to 32"],
    ["203.0.113/24", "not a network"],
    ["010.0.0.1/32", "not a network"],
    ["203.0.113.7/24/24", "not a network"],
    ["example.com/32", "not a network"],
    ["", "not a network"],
  ])("refuses %j: %s", (cidr, reason) => expect(cidrProblem(cidr)).toContain(reason));
});
