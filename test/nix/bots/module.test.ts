import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { describeWith } from "../../_needs.ts";
import { temporaryFolder } from "../../_project.ts";
import { enough, host } from "../_host.ts";

/** Settings of a bot with this configuration, as Nix. @param more further settings of the same bot */
function openclaw(text: string, more = "", bot = "maren"): string {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "workspace"));
  writeFileSync(join(folder, "openclaw.json"), text);
  writeFileSync(join(folder, "workspace/AGENTS.md"), "agents");
  const files = `openclaw = { config = ${folder}/openclaw.json; workspace = ${folder}/workspace; };`;
  return `{ lib, ... }: { clawdlets.bots.${bot} = { ${files} package = lib.mkDefault (import ./test/nix/eval/pkgs.nix).hello; ${more} }; }`;
}

const file = "{ a: '${DISCORD_BOT_TOKEN}', b: '${OPENAI_API_KEY}', c: '$${NOT}' }";

describeWith({ programs: ["nix-instantiate"] }, "a bot with a folder", () => {
  it("runs OpenClaw on loopback with a token, and its secrets in its environment", async () => {
    const { config, refused, warnings } = await host(enough, openclaw(file, "port = 20001;"));
    expect({ refused, warnings }).toEqual({ refused: [], warnings: [] });
    const { serviceConfig, environment } = config.systemd.services["clawdbot-maren"];
    expect(serviceConfig.ExecStart).toMatch(
      /\/bin\/openclaw gateway --port 20001 --bind loopback --auth token --tailscale off$/,
    );
    expect(serviceConfig.ExecStartPre).toEqual([expect.stringMatching(/clawdlets-seed-maren$/)]);
    expect(serviceConfig.LoadCredential).toEqual([]);
    expect(environment).toEqual({
      HOME: "/srv/clawdbot/maren",
      OPENCLAW_CONFIG_PATH: expect.stringMatching(/^\/nix\/store\/[a-z0-9]{32}-openclaw\.json$/),
      OPENCLAW_DISABLE_BONJOUR: "1",
      OPENCLAW_NIX_MODE: "1",
      OPENCLAW_OFFLINE: "1",
      OPENCLAW_STATE_DIR: "/srv/clawdbot/maren/.openclaw",
      OPENCLAW_WORKSPACE_DIR: "/srv/clawdbot/maren/workspace",
    });
    expect(config.sops.templates["clawdbot-maren.env"].content.trim().split("\n")).toEqual([
      "DISCORD_BOT_TOKEN=<SOPS:discord_token_maren:PLACEHOLDER>",
      "OPENAI_API_KEY=<SOPS:maren_openai_api_key:PLACEHOLDER>",
      "OPENCLAW_GATEWAY_TOKEN=<SOPS:maren_openclaw_gateway_token:PLACEHOLDER>",
    ]);
    expect(Object.keys(config.sops.secrets).sort()).toEqual([
      "admin_password_hash",
      "discord_token_maren",
      "maren_openai_api_key",
      "maren_openclaw_gateway_token",
      "tailscale_auth_key",
    ]);
  });

  it("uses the proxy with Node's own fetch, where there is one", async () => {
    const egress = '{ clawdlets.egress = { mode = "proxy-allowlist"; proxy.allowedDomains = [ "api.openai.com" ]; }; }';
    const { environment } = (await host(enough, openclaw(file), egress)).config.systemd.services["clawdbot-maren"];
    expect(environment).toMatchObject({
      NODE_USE_ENV_PROXY: "1",
      HTTPS_PROXY: expect.stringMatching(/^http:\/\/127\.64\.[0-9.]+:3128$/),
    });
  });

  it("has its configuration checked by its own OpenClaw when the system is built", async () => {
    const configOf = async (...modules: string[]) =>
      (await host(enough, ...modules)).config.systemd.services["clawdbot-maren"].environment.OPENCLAW_CONFIG_PATH;
    const checked = await configOf(openclaw(file));
    const plain = await configOf(openclaw(file), "{ clawdlets.bots.maren.openclaw.check = false; }");
    // Of the evaluation's packages.
    expect(checked).toMatch(/^\/nix\/store\/0{32}-openclaw\.json$/);
    expect(plain).toMatch(/^\/nix\/store\/(?!0{32})[a-z0-9]{32}-openclaw\.json$/);
    expect(await configOf(openclaw(file, 'command = "hello";'))).toBe(plain);
  });

  it("shares secrets that secrets.json names, by several variables and bots", async () => {
    const shared = (bot: string, secrets: string) => openclaw("{}", `openclaw.secrets = ${secrets};`, bot);
    const zai = '{ ZAI_API_KEY = "z_ai_api_key"; Z_AI_API_KEY = "z_ai_api_key"; }';
    const { config, refused } = await host(
      '{ clawdlets = { hostName = "web-1"; }; }',
      shared("maren", zai),
      shared("sonja", zai),
    );
    expect(refused.filter((each: string) => each.includes("secret"))).toEqual([]);
    for (const bot of ["maren", "sonja"]) {
      const { content } = config.sops.templates[`clawdbot-${bot}.env`];
      expect(content).toContain(
        "ZAI_API_KEY=<SOPS:z_ai_api_key:PLACEHOLDER>\nZ_AI_API_KEY=<SOPS:z_ai_api_key:PLACEHOLDER>",
      );
    }
    expect(Object.keys(config.sops.secrets)).toContain("z_ai_api_key");
  });

  it("may have a command and a secret's name of its own", async () => {
    const more = 'command = "hello"; envSecrets.OPENAI_API_KEY = "shared_key";';
    const { config, refused } = await host(enough, openclaw(file, more));
    expect(refused).toEqual([]);
    expect(config.systemd.services["clawdbot-maren"].serviceConfig.ExecStart).toMatch(/\/bin\/hello$/);
    expect(config.sops.templates["clawdbot-maren.env"].content).toContain(
      "OPENAI_API_KEY=<SOPS:shared_key:PLACEHOLDER>",
    );
  });

  it.each<[string, () => string[], string]>([
    ["a variable that the unit sets", () => [openclaw("{ a: '${HOME}' }")], "HOME is set by the bot's unit"],
    [
      "another state folder",
      () => [openclaw("{}", 'environment.OPENCLAW_STATE_DIR = "/x";')],
      "OPENCLAW_STATE_DIR is set by",
    ],
    [
      "a way out of Nix mode",
      () => [openclaw("{}", 'envSecrets.OPENCLAW_NIX_MODE = "x";')],
      "OPENCLAW_NIX_MODE is set by",
    ],
    [
      "a secret that is another bot's",
      () => [openclaw("{ a: '${DISCORD_BOT_TOKEN}' }"), openclaw("{ a: '${TOKEN_MAREN}' }", "", "discord")],
      "discord_token_maren would be two secrets",
    ],
    [
      "a secret that another bot's file names for itself",
      () => [
        openclaw("{}", 'openclaw.secrets.KEY = "maren_openai_api_key";', "rex"),
        openclaw("{ a: '${OPENAI_API_KEY}' }"),
      ],
      "maren_openai_api_key would be two secrets",
    ],
    [
      "the host's own secret, by its name",
      () => [openclaw("{}", 'openclaw.secrets.KEY = "tailscale_auth_key";')],
      "tailscale_auth_key would be two secrets",
    ],
    [
      "a gateway's token that is shared",
      () => [openclaw("{}", 'openclaw.secrets.OPENCLAW_GATEWAY_TOKEN = "x";')],
      "OPENCLAW_GATEWAY_TOKEN is made for each bot",
    ],
    [
      "a public value for a secret",
      () => [openclaw(file, 'environment.OPENAI_API_KEY = "x";')],
      "is in both environment and envSecrets",
    ],
    [
      "OpenClaw without a package",
      () => [openclaw(file), "{ lib, ... }: { clawdlets.bots.maren.package = lib.mkForce null; }"],
      "a program of clawdlets.bots.maren.package",
    ],
  ])("refuses %s", async (_, modules, message) => {
    expect((await host(enough, ...modules())).refused.join("\n")).toContain(message);
  });
});
