import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cidrProblem, isWorldOpen } from "../../../core/settings/cidr.ts";

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
    ["203.0.113.7/33", "none of 0 to 32"],
    ["2001:db8::/129", "none of 0 to 128"],
    ["203.0.113.7/032", "none of 0 to 32"],
    ["203.0.113.7/-1", "none of 0 to 32"],
    ["203.0.113/24", "not a network"],
    ["010.0.0.1/32", "not a network"],
    ["203.0.113.7/24/24", "not a network"],
    ["example.com/32", "not a network"],
    ["", "not a network"],
  ])("refuses %j: %s", (cidr, reason) => expect(cidrProblem(cidr)).toContain(reason));
});

describe("isWorldOpen", () => {
  it.each([
    [["0.0.0.0/0"]],
    [["::/0"]],
    [["0.0.0.0/1", "128.0.0.0/1"]],
    [["::/1", "8000::/1"]],
    [["::ffff:0:0/96"]],
    [["::ffff:0.0.0.0/97", "::ffff:128.0.0.0/97"]],
    [["203.0.113.7/32", "0.0.0.0/2", "64.0.0.0/2", "128.0.0.0/1"]],
  ])("sees the whole internet in %j", (cidrs) => expect(isWorldOpen(cidrs)).toBe(true));

  it.each([[[]], [["203.0.113.7/32"]], [["0.0.0.0/1"]], [["0.0.0.0/1", "128.0.0.0/2"]], [["2000::/3"]]])(
    "sees less in %j",
    (cidrs) => expect(isWorldOpen(cidrs)).toBe(false),
  );

  it("agrees with a count of the covered blocks, however the internet is cut up", () => {
    // Every network here is a union of /4 blocks, so sixteen flags are the whole truth.
    const network = fc
      .integer({ min: 0, max: 4 })
      .chain((prefix) => fc.integer({ min: 0, max: 2 ** prefix - 1 }).map((index) => ({ prefix, index })));
    fc.assert(
      fc.property(fc.array(network, { maxLength: 20 }), (networks) => {
        const covered = new Set<number>();
        const cidrs = networks.map(({ prefix, index }) => {
          const blocks = 16 / 2 ** prefix;
          for (let block = 0; block < blocks; block++) covered.add(index * blocks + block);
          return `${index * blocks * 16}.0.0.0/${prefix}`;
        });
        expect(isWorldOpen(cidrs)).toBe(covered.size === 16);
      }),
      { numRuns: 500 },
    );
  });
});
