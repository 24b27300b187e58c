import { afterAll, beforeAll, expect, it } from "vitest";
import { describeWith } from "../../_needs.ts";
import { type Attempt, allowed, judge, tcp, through } from "./lab/_attempts.ts";
import { callNix } from "./lab/_eval.ts";
import { Lab, needs } from "./lab/_lab.ts";
import * as world from "./lab/_world.ts";

const { internet, inside, metadata, host, uids } = world;
const policy = { mode: "proxy-allowlist" };

/** Without lines that hold this text, a packet that is refused with them gets through. */
interface Mutation {
  without: string;
  attempt: Attempt;
  mode?: Record<string, unknown>;
}
const open = (who: Attempt["who"], at: string, port: number, arrives?: string[]) =>
  allowed("", who, tcp(at, port), `tcp ${at} ${port}`, arrives);

const rules: [string, Mutation][] = [
  ["SMTP of the host", { without: "jump smtp\n", mode: {}, attempt: open("bot", internet.mail, 25) }],
  ["SMTP of the host over IPv6", { without: "jump smtp\n", mode: {}, attempt: open("bot", internet.mail6, 587) }],
  ["SMTP of containers", { without: "jump smtp_forwarded", mode: {}, attempt: open("container", internet.mail, 25) }],
  [
    "SMTP of containers over IPv6",
    { without: "jump smtp_forwarded", mode: {}, attempt: open("container", internet.mail6, 465) },
  ],
  [
    "the metadata service, of the host",
    { without: "jump metadata\n", mode: {}, attempt: open("bot", metadata.v4, 80) },
  ],
  [
    "the metadata service, of containers",
    { without: "jump metadata_forwarded", mode: {}, attempt: open("container", metadata.v4, 80) },
  ],
  [
    "the tailnet, of bots",
    { without: "ip daddr 100.64.0.0/10 jump tailnet", mode: {}, attempt: open("bot", inside.tailnet, 443) },
  ],
  [
    "the tailnet over IPv6, of bots",
    { without: "ip6 daddr fd7a:115c:a1e0::/48 jump", mode: {}, attempt: open("bot", inside.tailnet6, 443) },
  ],
  ["the bots' users", { without: "goto bots", attempt: open("bot", internet.unlisted, 443) }],
  [
    "the bots' users, on loopback",
    { without: "goto bots", attempt: allowed("", "bot", tcp("127.0.0.1", 22), `${uids.bot} tcp 127.0.0.1 22`) },
  ],
  ["containers", { without: "goto containers", attempt: open("container", internet.unlisted, 443) }],
  ["the proxy's user", { without: "goto proxy", attempt: open("proxy", internet.listed, 22) }],
  ["private IPv4", { without: "10.0.0.0/8", attempt: open("proxy", inside.ten, 443) }],
  ["the tailnet", { without: "100.64.0.0/10", attempt: open("proxy", inside.tailnet, 443) }],
  ["private IPv6", { without: "ip6 daddr != 2000::/3", attempt: open("proxy", inside.ula, 443) }],
  ["NAT64", { without: "ip6 daddr != 2000::/3", attempt: open("proxy", inside.nat64, 443) }],
  ["6to4", { without: "2002::/16", attempt: open("proxy", inside.sixToFour, 443) }],
  [
    "the host's own public address",
    {
      without: "fib daddr type",
      attempt: allowed("", "proxy", tcp(host.v4, 443), `${uids.proxy} tcp ${host.v4} 443`),
    },
  ],
  [
    "a listed name that leads to a private address",
    { without: "10.0.0.0/8", attempt: allowed("", "bot", through("ten.inside.example:443"), `tcp ${inside.ten} 443`) },
  ],
];

describeWith(needs, "each rule matters: without it the attempt gets through, with it not", () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await Lab.start();
    await lab.startProxy();
  });
  afterAll(() => lab?.stop());

  it.each(rules)("%s", async (_, { without, attempt, mode = policy }) => {
    const ruleset = await lab.ruleset(mode);
    const mutated = ruleset.split(/(?<=\n)/).filter((line) => !line.includes(without));
    expect(mutated.length, `the rule "${without}"`).toBeLessThan(ruleset.split("\n").length - 1);
    await lab.load(ruleset);
    await judge(lab, { ...attempt, reaches: null, arrives: [] });
    await lab.load(mutated.join(""));
    await judge(lab, attempt);
  });
});

describeWith(needs, "each part of the proxy's filter matters", () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await Lab.start();
    await lab.load(await lab.ruleset(policy));
  });
  afterAll(() => lab?.stop());
  const lines = async () =>
    await callNix<string>("egress/proxy.nix", "filter", { allowedDomains: world.allowedDomains });
  const passes = async (target: string) =>
    await judge(lab, allowed("", "bot", through(target), `tcp ${internet.unlisted} 443`));

  it("the beginning of a line", async () => {
    await lab.startProxy({ filter: (await lines()).replaceAll("^", "") });
    await passes("xapi.listed.example:443");
    await passes("evilwide.example:443");
  });

  it("the dot, which is not a wildcard", async () => {
    await lab.startProxy({ filter: (await lines()).replaceAll("api\\.", "api.") });
    await passes("apixlisted.example:443");
  });

  it("the end of a line", async () => {
    await lab.startProxy({ filter: (await lines()).replaceAll(":443$", "") });
    await passes("api.listed.example.evil.example:443");
    await passes("wide.example.evil.example:443");
  });

  it("that everything else is refused", async () => {
    await lab.startProxy({ config: (text) => text.replace("FilterDefaultDeny Yes\n", "FilterDefaultDeny No\n") });
    await passes("evil.example:443");
  });
});
