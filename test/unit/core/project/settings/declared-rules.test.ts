import { describe, expect, it } from "vitest";
import { opensSsh } from "../../../../../core/project/firewall/opens-ssh.ts";
import {
  type Declaration,
  declarationProblems,
  declaredRules,
} from "../../../../../core/project/settings/declared-rules.ts";

const declaration = (more: Partial<Declaration>): Declaration => ({
  host: "web-1",
  sshExposure: "tailnet",
  adminCidrs: [],
  rules: [],
  allowWorldOpenSsh: false,
  ...more,
});
const world = ["0.0.0.0/0", "::/0"];
const tcp = (port: string | number, sourceIps: string[] = world) => ({ protocol: "tcp", port, sourceIps });
const problems = (more: Partial<Declaration>) =>
  declarationProblems(declaration(more)).map(({ propertyPath, reason }) => `${propertyPath}: ${reason}`);

describe("declaredRules", () => {
  it.each(["tailnet", "bootstrap"] as const)("are never none, and open TCP/22 to nobody with %s", (sshExposure) => {
    const rules = declaredRules({ sshExposure, adminCidrs: ["203.0.113.7/32"], rules: [] });
    expect(rules.map(({ rule }) => rule.protocol)).toEqual(["icmp"]);
  });

  it("open it to the admin networks alone with public", () => {
    const rules = declaredRules({ sshExposure: "public", adminCidrs: ["203.0.113.7/32"], rules: [] });
    const open = rules.filter(({ rule: { sourceIps, ...rule } }) => opensSsh({ ...rule, source_ips: sourceIps }));
    expect(open).toEqual([
      {
        rule: { direction: "in", protocol: "tcp", port: "22", sourceIps: ["203.0.113.7/32"] },
        description: "ssh from the admin networks",
      },
    ]);
  });
});

describe("refused, with the path of the input", () => {
  it.each<[string, Partial<Declaration>, RegExp]>([
    ["nobody", { sshExposure: "public" }, /^adminCidrs: sshExposure is "public", but adminCidrs is empty/],
    [
      "no network",
      { sshExposure: "public", adminCidrs: ["1.2.3.4/32", "me"] },
      /^adminCidrs\[1\]: .*"me" is not a network/,
    ],
    [
      "the world",
      { sshExposure: "public", adminCidrs: ["0.0.0.0/1", "128.0.0.0/1"] },
      /^adminCidrs: adminCidrs covers all of IPv4/,
    ],
    [
      "the world for a window",
      { sshExposure: "bootstrap", adminCidrs: ["0.0.0.0/0"] },
      /^adminCidrs: adminCidrs covers all of IPv4/,
    ],
    ["TCP/22", { rules: [tcp(22)] }, /^rules\[0\]: rules\[0\] opens TCP\/22 to the world.*allowWorldOpenSsh: true/],
    ["a range with 22", { rules: [tcp(443), tcp("1-1024")] }, /^rules\[1\]: rules\[1\] opens TCP\/22 to the world/],
    ["any port", { rules: [tcp("any", ["::ffff:0:0/96"])] }, /^rules\[0\]: rules\[0\] opens TCP\/22 to the world/],
    [
      "a sum of rules, at the one with which it goes over",
      { rules: [tcp(22, ["16.0.0.0/9"]), tcp("20-30", ["16.128.0.0/9"]), tcp("any", ["17.0.0.0/32"]), tcp(443)] },
      /^rules\[2\]: rules\[2\] opens TCP\/22 to the world: all rules together, it covers 0.3 % of IPv4/,
    ],
    [
      "a sum with ours",
      { sshExposure: "public", adminCidrs: ["17.0.0.0/8"], rules: [tcp(443), tcp("22-23", ["203.0.113.7/32"])] },
      /^rules\[1\]: /,
    ],
    [
      "a sum with the window that is kept open",
      { sshExposure: "bootstrap", adminCidrs: ["17.0.0.0/8"], rules: [tcp("22", ["203.0.113.7/32"])] },
      /^rules\[0\]: /,
    ],
    ["port 0", { rules: [tcp(0)] }, /^rules\[0\]\.port: .*is 0; allowed: a port from 1 to 65535/],
    ["port 65536", { rules: [tcp(65536)] }, /^rules\[0\]\.port: rules\[0\]\.port: is 65536; /],
    ["a range backwards", { rules: [tcp("30-20")] }, /^rules\[0\]\.port: /],
    ["a port of words", { rules: [tcp("https")] }, /^rules\[0\]\.port: /],
    ["no port", { rules: [{ protocol: "tcp", sourceIps: world }] }, /^rules\[0\]\.port: .*missing/],
    [
      "a port of icmp",
      { rules: [{ protocol: "icmp", port: "22", sourceIps: world }] },
      /^rules\[0\]\.port: .*unknown setting/,
    ],
    ["a protocol", { rules: [{ protocol: "any", sourceIps: world }] }, /^rules\[0\]\.protocol: /],
    ["no sources", { rules: [tcp(443, [])] }, /^rules\[0\]\.sourceIps: .*at least one network/],
    ["host bits", { rules: [tcp(443, ["203.0.113.7/24"])] }, /^rules\[0\]\.sourceIps\[0\]: .*write 203.0.113.0\/24/],
    ["an unknown key", { rules: [{ ...tcp(443), direction: "out" }] }, /^rules\[0\]\.direction: .*unknown setting/],
    [
      "101 networks",
      {
        rules: [
          tcp(
            443,
            Array.from({ length: 101 }, (_, i) => `203.0.113.${i}/32`),
          ),
        ],
      },
      /up to 100 networks/,
    ],
    ["49 rules", { rules: Array.from({ length: 49 }, () => tcp(443)) }, /^rules: .*up to 48 rules/],
    ["a long description", { rules: [{ ...tcp(443), description: "x".repeat(256) }] }, /^rules\[0\]\.description: /],
  ])("%s", (_, more, reason) => expect(problems(more)[0]).toMatch(reason));

  it("all at once", () => {
    const paths = declarationProblems(declaration({ rules: [tcp(0), tcp(443, ["x"])] })).map(
      (each) => each.propertyPath,
    );
    expect(paths).toEqual(["rules[0].port", "rules[1].sourceIps[0]"]);
  });
});

describe("taken", () => {
  it.each<[string, Partial<Declaration>]>([
    ["the world on a port that is not 22", { rules: [tcp(443), tcp("23-65535"), tcp("1-21")] }],
    ["UDP on any port", { rules: [{ protocol: "udp", port: "any", sourceIps: world }] }],
    ["a /8 on TCP/22, and not an address more", { rules: [tcp(22, ["17.0.0.0/8"])] }],
    ["what is typed out", { rules: [tcp(22)], allowWorldOpenSsh: true }],
    ["admin networks that nobody uses", { adminCidrs: ["not known here"] }],
    [
      "48 rules with 100 networks",
      {
        rules: Array.from({ length: 48 }, () =>
          tcp(
            443,
            Array.from({ length: 100 }, (_, i) => `203.0.113.${i}/32`),
          ),
        ),
      },
    ],
    ["ports at the ends", { rules: [tcp(1), tcp(65535), tcp("8000-8000")] }],
    ["protocols without ports", { rules: ["icmp", "esp", "gre"].map((protocol) => ({ protocol, sourceIps: world })) }],
  ])("%s", (_, more) => expect(problems(more)).toEqual([]));
});
