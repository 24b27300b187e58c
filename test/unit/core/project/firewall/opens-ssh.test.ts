import { describe, expect, it } from "vitest";
import {
  type FirewallRule,
  opensSsh,
  opensSshToTheWorld,
  worldOpenSshReason,
} from "../../../../../core/project/firewall/opens-ssh.ts";
import fc from "../../../../_properties.ts";

const rule = (port: string | null, protocol: "tcp" | "udp" = "tcp", direction: "in" | "out" = "in") => ({
  direction,
  protocol,
  port,
  source_ips: ["203.0.113.7/32"],
});

describe("opensSsh", () => {
  it.each(["22", "any", "1-1024", "22-22", "22-23", "21-22", null, "1-65535", "022", " 22 ", "ssh", "ANY", "22-", ""])(
    "sees port 22 in %j",
    (port) => expect(opensSsh(rule(port))).toBe(true),
  );

  it.each(["21", "23", "23-1024", "1-21", "2222", "220-221", "23-65535", "122"])("sees no port 22 in %j", (port) =>
    expect(opensSsh(rule(port))).toBe(false),
  );

  it("sees it in a range that is written backwards, whatever the API makes of that", () =>
    expect(opensSsh(rule("1024-1"))).toBe(true));

  it("leaves other protocols, the way out and rules for nobody alone", () => {
    expect(opensSsh(rule("22", "udp"))).toBe(false);
    expect(opensSsh(rule("22", "tcp", "out"))).toBe(false);
    expect(opensSsh({ ...rule("22"), source_ips: [] })).toBe(false);
  });

  it("adds up rules that are harmless one by one", () => {
    const part = (cidr: string, port: string) => ({ ...rule(port), source_ips: [cidr] });
    expect(worldOpenSshReason([part("16.0.0.0/8", "22"), part("17.0.0.0/8", "1-1024")])).toMatch(/of IPv4/);
    expect(opensSshToTheWorld([part("16.0.0.0/8", "22"), part("17.0.0.0/8", "443")])).toBe(false);
  });
});

/**
 * The oracle knows no ranges and no library: it knocks from one address of every block, and counts who gets in. Every
 * generated network is a union of such blocks, so that this is the whole truth.
 */
interface World {
  blocks: number;
  /** First address of a block, as bits. */
  bitsOf(block: number): string;
  /** A network of 2^n blocks. */
  spelt(block: number, doublings: number): string[];
  /** More blocks than this are the world: what a /8 or a /19 holds. */
  allowed: number;
}

const binary = (value: number, length: number) => value.toString(2).padStart(length, "0");
const octets = (bits: string) => [0, 8, 16, 24].map((at) => Number.parseInt(bits.slice(at, at + 8), 2)).join(".");
const hex = (bits: string) =>
  Array.from({ length: 8 }, (_, i) => Number.parseInt(bits.slice(i * 16, i * 16 + 16), 2).toString(16)).join(":");

/** All of IPv4 in /12, each network in its two spellings. */
const ipv4: World = {
  blocks: 4096,
  bitsOf: (block) => binary(block, 12).padEnd(32, "0"),
  spelt(block, doublings) {
    const bits = binary((block >> doublings) << doublings, 12).padEnd(32, "0");
    return [`${octets(bits)}/${12 - doublings}`, `::ffff:${octets(bits)}/${108 - doublings}`];
  },
  allowed: 16,
};

/** 2a00::/11 in /23. */
const ipv6: World = {
  blocks: 4096,
  bitsOf: (block) => `${binary(0x2a00, 16).slice(0, 11)}${binary(block, 12)}`.padEnd(128, "0"),
  spelt(block, doublings) {
    const bits = `${binary(0x2a00, 16).slice(0, 11)}${binary((block >> doublings) << doublings, 12)}`.padEnd(128, "0");
    return [`${hex(bits)}/${23 - doublings}`];
  },
  allowed: 16,
};

interface Generated {
  rule: FirewallRule;
  /** Which blocks each network is: index and doublings. */
  networks: { block: number; doublings: number }[];
  /** Every port the rule is for, one by one. */
  ports: Set<number> | "all";
}

const port = fc.oneof(
  fc.constant<{ text: string | null; ports: Set<number> | "all" }>({ text: "any", ports: "all" }),
  fc.constant({ text: null, ports: "all" as const }),
  fc.constantFrom(21, 22, 23, 2222, 443).map((each) => ({ text: String(each), ports: new Set([each]) })),
  fc.tuple(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 0, max: 20 })).map(([from, more]) => ({
    text: `${from}-${from + more}`,
    ports: new Set(Array.from({ length: more + 1 }, (_, index) => from + index)),
  })),
);

const ruleIn = (world: World): fc.Arbitrary<Generated> =>
  fc
    .record({
      port,
      protocol: fc.constantFrom("tcp" as const, "tcp" as const, "tcp" as const, "udp" as const),
      direction: fc.constantFrom("in" as const, "in" as const, "in" as const, "out" as const),
      networks: fc.array(
        fc.record({
          block: fc.integer({ min: 0, max: world.blocks - 1 }),
          // Mostly small ones, so that sums come near the measure from both sides.
          doublings: fc.oneof(
            { weight: 12, arbitrary: fc.integer({ min: 0, max: 3 }) },
            fc.integer({ min: 4, max: 12 }),
          ),
          spelling: fc.nat(7),
        }),
        { maxLength: 6 },
      ),
    })
    .map(({ port: { text, ports }, protocol, direction, networks }) => ({
      rule: {
        direction,
        protocol,
        port: text,
        source_ips: networks.map(({ block, doublings, spelling }) => {
          const spellings = world.spelt(block, doublings);
          return spellings[spelling % spellings.length] ?? "";
        }),
      },
      networks,
      ports,
    }));

/** Tries TCP/22 from every block, one after another. */
function getIn(world: World, rules: readonly Generated[]): number {
  let count = 0;
  for (let block = 0; block < world.blocks; block++) {
    const from = world.bitsOf(block);
    const isIn = rules.some(
      ({ rule: { direction, protocol }, networks, ports }) =>
        direction === "in" &&
        protocol === "tcp" &&
        (ports === "all" || ports.has(22)) &&
        networks.some((network) => {
          const length = Math.log2(world.blocks) - network.doublings + (from.length === 32 ? 0 : 11);
          return world.bitsOf(network.block).slice(0, length) === from.slice(0, length);
        }),
    );
    if (isIn) count++;
  }
  return count;
}

describe("opensSshToTheWorld agrees with knocking from everywhere", () => {
  it.each([
    ["IPv4, in either spelling", ipv4],
    ["IPv6", ipv6],
  ])(
    "%s",
    (_, world) => {
      const seen = { open: 0, closed: 0, near: 0 };
      fc.assert(
        fc.property(fc.array(ruleIn(world), { maxLength: 8 }), (rules) => {
          const count = getIn(world, rules);
          const open = count > world.allowed;
          seen[open ? "open" : "closed"]++;
          if (Math.abs(count - world.allowed) <= 2) seen.near++;
          expect(opensSshToTheWorld(rules.map((each) => each.rule))).toBe(open);
        }),
        { numRuns: 400 },
      );
      // The property is worth nothing if what is generated lies on one side, or far from the line.
      expect(Math.min(seen.open, seen.closed)).toBeGreaterThan(40);
      expect(seen.near).toBeGreaterThan(4);
    },
    120_000,
  );
});
