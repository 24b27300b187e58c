import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { describeWith } from "../../_needs.ts";
import { temporaryFolder } from "../../_project.ts";
import { enough, host, hostRefusal } from "../_host.ts";

const egress = (settings: string) => `{ clawdlets.egress = { ${settings} }; }`;
const allowlist = egress('mode = "proxy-allowlist"; proxy.allowedDomains = [ "api.example.com" ".example.org" ];');
const bots = '{ clawdlets.bots = { maren = { command = "/bin/maren"; uid = 31007; }; idle = { uid = 31008; }; }; }';
const table = (config: { networking: { nftables: { tables: Record<string, { content: string }> } } }) =>
  config.networking.nftables.tables["clawdlets-egress"]?.content ?? "";

describeWith({ programs: ["nix-instantiate"] }, "the egress module", () => {
  it("defaults to smtp-only, in NixOS' nftables and without a proxy", async () => {
    const { config, refused } = await host(enough, bots);
    expect(refused).toEqual([]);
    expect(config.networking.nftables.enable).toBe(true);
    expect(config.networking.nftables.tables["clawdlets-egress"].family).toBe("inet");
    expect(table(config)).toContain("jump smtp\n");
    expect(table(config)).not.toContain("goto bots");
    expect(Object.keys(config.systemd.services).filter((name) => name.includes("proxy"))).toEqual([]);
    expect(config.systemd.services["clawdbot-maren"].environment.HTTP_PROXY).toBeUndefined();
  });

  it.each(["smtp-only", "proxy-allowlist", "none"])("starts no bot without the rules, in %s", async (mode) => {
    const { config } = await host(enough, bots, egress(`mode = "${mode}"; proxy.allowedDomains = [ "a.example" ];`));
    const { requires, after } = config.systemd.services["clawdbot-maren"];
    expect(requires).toContain("nftables.service");
    expect(after).toContain("nftables.service");
  });

  it("confines every bot by its number in proxy-allowlist, and gives it the proxy", async () => {
    const { config, refused } = await host(enough, bots, allowlist, egress("proxy.port = 8888;"));
    expect(refused).toEqual([]);
    expect(table(config)).toContain("meta skuid { $uid_31008, $uid_31007 } goto bots");
    expect(table(config)).toContain(`meta skuid $uid_${config.users.users["clawdlets-proxy"].uid} goto proxy`);
    const proxies = "{ $uid_31008 . 127.64.121.32, $uid_31007 . 127.64.121.31 }";
    expect(table(config)).toContain(`meta skuid . ip daddr ${proxies} tcp dport 8888 return`);
    const bot = config.systemd.services["clawdbot-maren"];
    expect(bot.environment).toMatchObject({
      HTTPS_PROXY: "http://127.64.121.31:8888",
      https_proxy: "http://127.64.121.31:8888",
    });
    expect(bot.serviceConfig).toMatchObject({ RestrictNetworkInterfaces: "lo" });
    expect(bot.serviceConfig.InaccessiblePaths).toEqual(expect.arrayContaining(["-/run/nscd", "-/var/lib/sops-nix"]));
    expect(bot.requires).toContain("clawdlets-egress-proxy-maren.service");
    expect(Object.keys(config.systemd.services)).not.toContain("clawdbot-idle");
  });

  it("runs each bot's proxy as a user of its own behind the rules, with the list", async () => {
    const { config } = await host(enough, bots, allowlist);
    const proxy = config.systemd.services["clawdlets-egress-proxy-maren"];
    expect(proxy.requires).toEqual(["nftables.service"]);
    expect(proxy.serviceConfig.User).toBe("clawdlets-proxy");
    expect(proxy.serviceConfig.ExecStart).toMatch(
      /\/bin\/tinyproxy -d -c \/etc\/clawdlets\/proxy\/maren\/tinyproxy\.conf$/,
    );
    const etc = config.environment.etc;
    expect(etc["clawdlets/proxy/maren/filter"].text).toContain("^api\\.example\\.com:443$");
    expect(etc["clawdlets/proxy/maren/tinyproxy.conf"].text).toContain("Listen 127.64.121.31\nPort 3128");
    expect(proxy.restartTriggers).toContain(etc["clawdlets/proxy/maren/filter"].text);
  });

  it("follows the numbers that users have, once the users of a new system exist", async () => {
    const { config } = await host(enough, bots, allowlist);
    const { deps, text } = config.system.activationScripts.clawdletsEgressUsers;
    expect(deps).toEqual(["users"]);
    expect(text).toContain("\nclawdlets_egress_users clawdlets-proxy:30999 bot-maren:31007 bot-idle:31008");
    for (const uid of [30999, 31007, 31008]) expect(table(config)).toContain(`define uid_${uid} = ${uid}\n`);
    expect(table(config)).toContain('include "/run/clawdlets-egress-users/*.nft"\n');
  });

  it("lets a bot's own environment override the defaults", async () => {
    const own = '{ clawdlets.bots.maren.environment.NO_PROXY = "gateway.example"; }';
    const { config } = await host(enough, bots, allowlist, own);
    expect(config.systemd.services["clawdbot-maren"].environment.NO_PROXY).toBe("gateway.example");
  });

  it("adds the domains that openclaw.json needs, if it is told to", async () => {
    const file = join(temporaryFolder(), "openclaw.json");
    const model = '{ defaults: { model: "groq/x" } }';
    writeFileSync(file, `{ agents: ${model}, channels: { telegram: {}, /* it's */ pigeon: {}, }, }`);
    const sonja = `{ clawdlets.bots.sonja = { openclaw.config = ${file}; package = (import ./test/nix/eval/pkgs.nix).hello; }; }`;
    const filter = async (derived: boolean, bot = "sonja") => {
      const found = await host(enough, bots, sonja, allowlist, egress(`proxy.derived = ${derived};`));
      const { text } = found.config.environment.etc[`clawdlets/proxy/${bot}/filter`];
      return {
        lines: text.trim().split("\n"),
        warnings: found.warnings.filter((each) => each.includes("egress")),
        refused: found.refused,
      };
    };
    const byHand = ["^api\\.example\\.com:443$", expect.stringContaining("example\\.org:443$")];
    expect(await filter(false)).toEqual({ lines: byHand, warnings: [], refused: [] });
    expect((await filter(true, "maren")).lines).toEqual(byHand);
    const needed = ["^api\\.groq\\.com:443$", "^api\\.telegram\\.org:443$"];
    const warning = "the domains of these are not known: channel pigeon of sonja. List them in";
    expect(await filter(true)).toEqual({
      lines: [...byHand, ...needed],
      warnings: [expect.stringContaining(warning)],
      refused: [],
    });
  });

  it("gives OpenClaw the proxy for its WebSockets too", async () => {
    const { config } = await host(enough, bots, allowlist);
    expect(config.systemd.services["clawdbot-maren"].environment.OPENCLAW_PROXY_URL).toBe("http://127.64.121.31:3128");
  });

  it("takes users and bots by name, and writes numbers", async () => {
    const user =
      '{ users.users.postfix = { isSystemUser = true; uid = 73; group = "postfix"; }; users.groups.postfix = { }; }';
    const settings = egress(`
      smtp.exceptions = [ { user = "postfix"; ports = [ 587 ]; } { user = "root"; } ]; loopbackPorts.maren = [ 18789 ];
      tailnetAddresses.maren = [ "100.64.0.7" "fd7a:115c:a1e0::7" ];`);
    const { config, refused } = await host(enough, bots, user, allowlist, settings);
    expect(refused).toEqual([]);
    expect(table(config)).toContain("meta skuid $uid_73 tcp dport { 587 } return");
    expect(table(config)).toContain("meta skuid $uid_31007 ip daddr { 100.64.0.7 } return");
    expect(table(config)).toContain("meta skuid $uid_31007 ip6 daddr { fd7a:115c:a1e0::7 } return");
    expect(table(config)).toContain("meta skuid 0 tcp dport { 25, 465, 587, 2525 } return");
    expect(table(config)).toContain(
      "meta skuid . tcp dport { $uid_31007 . 27007, $uid_31007 . 18789, $uid_31008 . 27008 } return",
    );
  });

  it.each(["smtp-only", "proxy-allowlist", "none"])("keeps every bot from the tailnet, in %s", async (mode) => {
    const { config } = await host(enough, bots, egress(`mode = "${mode}"; proxy.allowedDomains = [ "a.example" ];`));
    expect(table(config)).toContain("meta skuid { $uid_31008, $uid_31007 } ip daddr 100.64.0.0/10 jump tailnet\n");
  });

  it.each([
    ["a tailnet address that is a name", 'tailnetAddresses.maren = [ "laptop" ];', '"laptop" is not allowed'],
    ["an unknown bot in the tailnet", "tailnetAddresses.marne = [ ];", 'tailnetAddresses names ["marne"]'],
    ["an empty list", 'mode = "proxy-allowlist";', "allowedDomains is empty"],
    [
      "a wildcard",
      'mode = "proxy-allowlist"; proxy.allowedDomains = [ "*.example.com" ];',
      '"*.example.com" is not allowed: wildcards',
    ],
    [
      "an unknown bot",
      "loopbackPorts.marne = [ 1 ];",
      'names ["marne"]; allowed are the names in clawdlets.bots: ["idle","maren"]',
    ],
    [
      "a user without a number",
      'smtp.exceptions = [ { user = "postfix"; } ];',
      '"postfix" is not allowed. Give a user with a fixed number',
    ],
    ["an exception for everyone", "smtp.exceptions = [ { } ];", "opens SMTP to everyone"],
    ["no address of a resolver", 'proxy.resolvers = [ "dns" ];', '"dns" is not allowed. Give IPv4 or IPv6 addresses'],
  ])("refuses %s, and says what to change", async (_, settings, message) => {
    const { refused } = await host(enough, bots, egress(settings));
    expect(refused).toEqual([expect.stringContaining(message)]);
  });

  it("refuses systemd-resolved as the resolver if it is off", async () => {
    const { refused } = await host(
      enough,
      bots,
      allowlist,
      "({ lib, ... }: { services.resolved.enable = lib.mkForce false; })",
    );
    expect(refused).toEqual([expect.stringContaining("127.0.0.53), which is off")]);
  });

  it("refuses an unknown mode", async () => {
    expect(await hostRefusal(enough, egress('mode = "allowlist";'))).toContain("clawdlets.egress.mode");
  });
});
