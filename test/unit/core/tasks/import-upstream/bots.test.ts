import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import JSON5 from "json5";
import { expect, it } from "vitest";
import { lintBots } from "../../../../../core/project/lint/lint.ts";
import { requiredSecrets } from "../../../../../core/project/secrets/required.ts";
import { type FleetExtras, importBots } from "../../../../../core/tasks/import-upstream/bots.ts";
import { temporaryFolder } from "../../../../_project.ts";

/** As upstream's clawdlets.json and its docs have it at b49d4af. */
const fleet = {
  guildId: "123456789012345678",
  bots: ["maren", "sonja"],
  routingOverrides: { maren: { channels: ["dev", "ops"], requireMention: false } },
  routingQueue: { mode: "interrupt", byProvider: { discord: "queue" } },
  botOverrides: {
    maren: {
      envSecrets: { ZAI_API_KEY: "z_ai_api_key", Z_AI_API_KEY: "z_ai_api_key" },
      env: { LOG_LEVEL: "info", API_TOKEN: "canary-0123456789" },
      skills: {
        allowBundled: ["github", "brave-search"],
        entries: {
          "brave-search": { enabled: true, apiKeySecret: "brave_api_key" },
          github: { apiKey: "canary-0123456789", env: { OWNER: "us" }, envSecrets: { GH: "gh_token" }, odd: 1 },
        },
      },
      hooks: { enabled: true, tokenSecret: "hooks_token_maren", config: { path: "/hooks" } },
      github: { appId: 1, privateKeySecret: "gh_key" },
      gatewayPort: 18819,
      resources: { memoryMax: "1G" },
      passthrough: {
        tools: { profile: "coding" },
        agents: { models: { fast: "zai/glm-4.2" } },
        channels: { discord: { token: "canary-0123456789", allowFrom: ["1"] } },
      },
      novelty: true,
    },
    olaf: { env: {} },
  },
};
const documents = new Map([
  ["AGENTS.md", "all"],
  ["common/SOUL.md", "calm"],
  ["bots/sonja/AGENTS.md", "sonja"],
  ["bots/sonja/skills/x/SKILL.md", "skill"],
  ["logo.png", ""],
]);

const imported = (more: FleetExtras = { model: "zai/glm-4.7", documents }) => importBots(fleet, more);
const configOf = (bot: string, from = imported()) => JSON5.parse(from.files.get(`bots/${bot}/openclaw.json`) ?? "");

it("makes a folder of each bot, with the documents of all and its own", () => {
  const { files } = imported();
  expect([...files.keys()].sort()).toEqual([
    "bots/maren/openclaw.json",
    "bots/maren/secrets.json",
    "bots/maren/workspace/AGENTS.md",
    "bots/maren/workspace/SOUL.md",
    "bots/sonja/openclaw.json",
    "bots/sonja/workspace/AGENTS.md",
    "bots/sonja/workspace/SOUL.md",
  ]);
  expect(files.get("bots/maren/workspace/AGENTS.md")).toBe("all");
  expect(files.get("bots/sonja/workspace/AGENTS.md")).toBe("sonja");
});

it("writes what OpenClaw takes and the lint has nothing critical against", () => {
  const maren = configOf("maren");
  expect(maren).toMatchObject({
    agents: { defaults: { model: { primary: "zai/glm-4.7" } } },
    channels: {
      discord: {
        token: "${DISCORD_BOT_TOKEN}",
        dmPolicy: "disabled",
        guilds: {
          "123456789012345678": {
            requireMention: false,
            channels: { dev: { enabled: true, requireMention: false }, ops: { enabled: true, requireMention: false } },
          },
        },
      },
    },
    messages: { queue: { mode: "interrupt", byChannel: { discord: "followup" } } },
    skills: {
      allowBundled: ["github", "brave-search"],
      entries: {
        "brave-search": { enabled: true, apiKey: "${BRAVE_API_KEY}" },
        github: { env: { OWNER: "us", GH: "${GH_TOKEN}" } },
      },
    },
    hooks: { enabled: true, path: "/hooks", token: "${HOOKS_TOKEN_MAREN}" },
    env: { vars: { LOG_LEVEL: "info" } },
    tools: { profile: "coding" },
  });
  const root = temporaryFolder();
  for (const [file, text] of imported().files) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), text);
  }
  const critical = lintBots({ root }, ["maren", "sonja"]).filter(({ severity }) => severity === "critical");
  // Upstream's own docs say so, and OpenClaw has no such option.
  expect(critical.map(({ setting }) => setting)).toEqual(["agents.models"]);
  // Existing sops files keep their names.
  const settings = { tailnet: "none" as const, bots: ["maren", "sonja"], secrets: [] };
  expect(requiredSecrets({ root }, settings).map(({ name }) => name)).toEqual([
    "admin_password_hash",
    "brave_api_key",
    "discord_token_maren",
    "gh_token",
    "hooks_token_maren",
    "maren_openclaw_gateway_token",
    "z_ai_api_key",
    "discord_token_sonja",
    "sonja_openclaw_gateway_token",
  ]);
});

it("says of every setting what became of it", () => {
  const { carried, renamed, byHand, missing } = imported();
  const settings = (rows: readonly { setting: string }[]) => rows.map(({ setting }) => setting);
  const maren = "fleet.botOverrides.maren";
  expect(settings(carried)).toEqual(
    expect.arrayContaining([`${maren}.skills.allowBundled`, `${maren}.passthrough`, "fleet.documentsDir: AGENTS.md"]),
  );
  expect(settings(renamed)).toEqual(
    expect.arrayContaining(["fleet.guildId", "fleet.routingQueue", "fleet.routingOverrides.maren", `${maren}.hooks`]),
  );
  expect(byHand).toEqual([
    { setting: `${maren}.gatewayPort`, to: "clawdlets.bots.maren.port", note: "In hosts/<host>.nix." },
    { setting: `${maren}.resources`, to: "clawdlets.bots.maren.resources", note: "In hosts/<host>.nix." },
  ]);
  expect(settings(missing).sort()).toEqual([
    "bots/maren/openclaw.json: agents.models",
    `${maren}.env.API_TOKEN`,
    `${maren}.github`,
    `${maren}.novelty`,
    `${maren}.passthrough.channels.discord.token`,
    `${maren}.skills.entries.github.apiKey`,
    `${maren}.skills.entries.github.odd`,
    "fleet.botOverrides.olaf",
    "fleet.documentsDir: bots/sonja/skills/x/SKILL.md",
    "fleet.documentsDir: logo.png",
    "tools",
  ]);
});

it("copies no secret that is written out", () => {
  const { files, ...rows } = imported();
  expect(JSON.stringify([[...files], rows])).not.toContain("canary");
});

it("takes a fleet whose bots are an object, as 69286a2 has it", () => {
  const maren = {
    profile: {
      secretEnv: { DISCORD_BOT_TOKEN: "discord_token_maren", OTHER: "other" },
      secretEnvAllowlist: ["DISCORD_BOT_TOKEN", "ZAI_API_KEY"],
      secretFiles: { key: { secretName: "x", targetPath: "/var/lib/clawdlets/secrets/bots/maren/x" } },
      gatewayPort: 18819,
    },
    clawdbot: {
      channels: { discord: { enabled: true, token: "${DISCORD_BOT_TOKEN}", dmPolicy: "pairing" } },
      messages: { ackReaction: "eyes" },
      gateway: { auth: { token: "canary-0123456789" } },
    },
    clf: { enable: true },
  };
  const imported = importBots({
    secretEnv: { ZAI_API_KEY: "z_ai_api_key", UNUSED: "unused" },
    botOrder: ["sonja", "maren"],
    bots: { maren, sonja: {}, "../x": {} },
  });
  expect(configOf("maren", imported)).toMatchObject({
    channels: { discord: { enabled: true, token: "${DISCORD_BOT_TOKEN}", dmPolicy: "pairing" } },
    messages: { ackReaction: "eyes" },
    plugins: { allow: ["discord"] },
  });
  expect(configOf("sonja", imported)).not.toHaveProperty("channels");
  const secretsOf = (bot: string) => JSON.parse(imported.files.get(`bots/${bot}/secrets.json`) ?? "");
  expect(secretsOf("maren")).toEqual({ ZAI_API_KEY: "z_ai_api_key", DISCORD_BOT_TOKEN: "discord_token_maren" });
  expect(secretsOf("sonja")).toEqual({ ZAI_API_KEY: "z_ai_api_key", UNUSED: "unused" });
  const settings = (rows: readonly { setting: string }[]) => rows.map(({ setting }) => setting);
  expect(settings(imported.byHand)).toEqual([
    "fleet.bots.maren.profile.secretFiles",
    "fleet.bots.maren.profile.gatewayPort",
  ]);
  expect(settings(imported.missing)).toEqual([
    "fleet.bots.../x",
    "tools",
    "fleet.bots.maren.clf",
    "fleet.bots.maren.clawdbot.gateway.auth.token",
  ]);
  expect(JSON.stringify([[...imported.files], imported.missing])).not.toContain("canary");
});

it("takes the fleet as Nix evaluates it, with empty options", () => {
  const profile = {
    skipBootstrap: null,
    env: {},
    envSecrets: { ZAI_API_KEY: "z_ai_api_key" },
    workspace: { dir: null, seedDir: null },
    skills: { allowBundled: [], load: { extraDirs: [] }, entries: {} },
    hooks: { enabled: null, tokenSecret: null, gmailPushTokenSecret: null },
    github: {},
    passthrough: {},
    gatewayPort: null,
    resources: { memoryMax: null, cpuQuota: null, tasksMax: null, ioWeight: null },
  };
  const { missing, byHand, files } = importBots({
    bots: ["maren"],
    guildId: "1",
    agentModelPrimary: "zai/glm-4.7",
    identity: { name: "Fleet" },
    discord: { dm: { enabled: true, policy: "open" } },
    routing: { maren: { channels: [], requireMention: true } },
    botProfiles: { maren: profile },
  });
  expect(missing.map(({ setting }) => setting)).toEqual(["tools"]);
  expect(byHand).toEqual([]);
  const config = JSON5.parse(files.get("bots/maren/openclaw.json") ?? "");
  expect(config.channels.discord.dmPolicy).toBe("pairing");
  expect(config.agents.entries.main.identity).toEqual({ name: "Fleet" });
});

it.each([
  ["nothing", undefined],
  ["a list", []],
  ["names that are not bots", { bots: ["../x", "Maren", 1, null, "a".repeat(28)] }],
  [
    "parts of other types",
    { bots: ["a"], botOverrides: { a: { skills: 1, hooks: "x", env: [], passthrough: 3, envSecrets: null } } },
  ],
  [
    "a prototype",
    JSON.parse(
      '{ "bots": ["a"], "botOverrides": { "a": { "passthrough": { "__proto__": { "x": 1 } }, "__proto__": 1 } } }',
    ),
  ],
])("survives %s", (_, odd) => {
  const { files } = importBots(odd);
  for (const path of files.keys()) expect(path).toBe("bots/a/openclaw.json");
  expect({}).not.toHaveProperty("x");
});
