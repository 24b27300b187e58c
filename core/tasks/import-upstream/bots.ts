import { safeText } from "../../base/wording.ts";
import { botFileOf, botFolderOf } from "../../project/bots/bot-folder.ts";
import { issuesIn } from "../../project/bots/schema/check.ts";
import { pinnedSchema } from "../../project/bots/schema/pinned.ts";
import { botNameAllowed } from "../../project/settings/names.ts";
import { type Draft, profileInto } from "./bot-profile.ts";
import { botsIn, hasOwnBots, profilesOf } from "./fleet-bots.ts";
import type { Row, Rows } from "./rows.ts";
import { isObject, mergedInto } from "./values.ts";

export interface ImportedBots extends Rows {
  /** Text by path in the repository. */
  files: Map<string, string>;
}

export interface FleetExtras {
  /** `hosts.<host>.agentModelPrimary`, where the fleet names no model. */
  model?: string;
  /** Files of the fleet's `documentsDir`, by their path in it: AGENTS.md, common/SOUL.md, bots/maren/USER.md. */
  documents?: ReadonlyMap<string, string>;
}

/**
 * Turns upstream's fleet (regenrek/clawdlets b49d4af and 69286a2) into bot folders. Reads nothing and writes nothing.
 * @param fleet `fleet` of clawdlets.json, or what infra/configs/fleet.nix makes of it (`botProfiles` and `routing`)
 * @returns the files of each bot, and what became of each setting
 */
export function importBots(fleet: unknown, { model, documents = new Map() }: FleetExtras = {}): ImportedBots {
  const imported: ImportedBots = { files: new Map(), carried: [], renamed: [], byHand: [], missing: [] };
  if (!isObject(fleet)) return imported;
  const { bots, refused } = botsIn(fleet);
  for (const bot of refused) {
    const note = `Not a bot's name here; allowed: ${botNameAllowed}.`;
    imported.missing.push({ setting: `fleet.bots.${safeText(bot, 80)}`, note });
  }
  for (const key of ["botOverrides", "botProfiles", "routingOverrides", "routing"]) {
    for (const bot of Object.keys(Object(fleet[key])).filter((each) => !bots.includes(each))) {
      imported.missing.push({ setting: `fleet.${key}.${safeText(bot, 80)}`, note: "fleet.bots does not list it." });
    }
  }
  if (bots.length > 0) noteFleet(fleet, imported);
  for (const bot of bots) importBot(bot, fleet, model, imported);
  importDocuments(bots, documents, imported);
  return imported;
}

function importBot(
  bot: string,
  fleet: Record<string, unknown>,
  model: string | undefined,
  imported: ImportedBots,
): void {
  const draft: Draft = { bot, rows: imported, config: baseOf(fleet, model), secretNames: {} };
  for (const [setting, profile] of profilesOf(fleet, bot)) profileInto(draft, setting, profile);
  for (const key of ["routing", "routingOverrides"]) {
    const routing = Object(fleet[key])[bot];
    if (isObject(routing)) routingInto(draft, `fleet.${key}.${bot}`, routing, String(fleet["guildId"] ?? ""));
  }
  for (const { path, problem } of issuesIn(pinnedSchema().schema, draft.config)) {
    const note = `${pinnedSchema().of} does not take it: ${problem}`;
    imported.missing.push({ setting: `${botFileOf(bot)}: ${safeText(path.join("."), 200)}`, note });
  }
  const head =
    "// OpenClaw's own configuration: https://docs.openclaw.ai/gateway/configuration\n// From upstream's fleet. Check it: clawdlets bot lint\n";
  imported.files.set(botFileOf(bot), `${head}${JSON.stringify(draft.config, null, 2)}\n`);
  if (Object.keys(draft.secretNames).length > 0) {
    imported.files.set(`${botFolderOf(bot)}/secrets.json`, `${JSON.stringify(draft.secretNames, null, 2)}\n`);
  }
}

/**
 * What upstream rendered for every bot (infra/nix/modules/clawdbot-fleet/impl/bot-config.nix), as OpenClaw has it today. Where
 * each bot has its own configuration, its channels are in that.
 */
function baseOf(fleet: Record<string, unknown>, model: string | undefined): Record<string, unknown> {
  const primary = typeof fleet["agentModelPrimary"] === "string" ? fleet["agentModelPrimary"] : model;
  const [provider] = (primary ?? "").split("/");
  const models = isObject(fleet["agentModels"]) ? fleet["agentModels"] : undefined;
  const { enabled, policy } = Object(Object(fleet["discord"])["dm"]) as { enabled?: unknown; policy?: unknown };
  const { mode, byProvider } = Object(fleet["routingQueue"]) as { mode?: unknown; byProvider?: unknown };
  const byChannel = Object.fromEntries(Object.entries(Object(byProvider)).map(([key, each]) => [key, queueMode(each)]));
  return {
    gateway: { mode: "local" },
    agents: {
      defaults: { ...(primary && { model: { primary } }), ...(models && Object.keys(models).length > 0 && { models }) },
      ...(isObject(fleet["identity"]) && { entries: { main: { identity: fleet["identity"] } } }),
    },
    ...(!hasOwnBots(fleet) && {
      channels: {
        discord: {
          enabled: true,
          // biome-ignore lint/suspicious/noTemplateCurlyInString: OpenClaw fills it in.
          token: "${DISCORD_BOT_TOKEN}",
          dmPolicy:
            enabled !== true ? "disabled" : policy === "open" || typeof policy !== "string" ? "pairing" : policy,
          groupPolicy: "allowlist",
        },
      },
    }),
    session: { dmScope: "per-channel-peer" },
    ...((mode !== undefined || byProvider !== undefined) && {
      messages: { queue: { ...(mode !== undefined && { mode: queueMode(mode) }), byChannel } },
    }),
    tools: { profile: "messaging" },
    plugins: { allow: [...(hasOwnBots(fleet) ? [] : ["discord"]), ...(provider ? [provider] : [])] },
  };
}

const queueMode = (mode: unknown) => (mode === "queue" ? "followup" : mode);

/** Guild and channels by upstream's slugs, which OpenClaw still takes as names of channels. */
function routingInto(
  { config, rows }: Draft,
  setting: string,
  routing: Record<string, unknown>,
  guildId: string,
): void {
  const { channels = [], requireMention = true, ...others } = routing;
  if (guildId === "" && Array.isArray(channels) && channels.length > 0) {
    rows.missing.push({
      setting: `${setting}.channels`,
      note: "fleet.guildId is empty, so there is no guild for them.",
    });
  } else if (guildId !== "") {
    const named = (Array.isArray(channels) ? channels : []).map((each) => [
      String(each),
      { enabled: true, requireMention },
    ]);
    const guilds = { [guildId]: { requireMention, channels: Object.fromEntries(named) } };
    mergedInto(config, { channels: { discord: { guilds } } });
    rows.renamed.push({ setting, to: `channels.discord.guilds.${guildId}` });
  }
  for (const key of Object.keys(others)) rows.missing.push({ setting: `${setting}.${key}`, note: "Not known here." });
}

/** The fleet's own settings, once. */
function noteFleet(fleet: Record<string, unknown>, { renamed, missing }: Rows): void {
  const has = (key: string) => fleet[key] !== undefined && fleet[key] !== null && fleet[key] !== "";
  const as = (setting: string, to: string, note?: string): Row => ({
    setting,
    to,
    ...(note !== undefined && { note }),
  });
  if (has("guildId")) renamed.push(as("fleet.guildId", "channels.discord.guilds"));
  if (has("agentModelPrimary")) renamed.push(as("fleet.agentModelPrimary", "agents.defaults.model.primary"));
  if (has("agentModels")) renamed.push(as("fleet.agentModels", "agents.defaults.models"));
  if (has("identity")) renamed.push(as("fleet.identity", "agents.entries.main.identity"));
  if (has("routingQueue")) {
    renamed.push(as("fleet.routingQueue", "messages.queue", '"queue" is "followup" now; byProvider is byChannel.'));
  }
  if (has("discord")) {
    const isOpen = Object(Object(fleet["discord"])["dm"])["policy"] === "open";
    const note = isOpen ? '"open" lets anyone talk to the bot. It is "pairing" now.' : undefined;
    renamed.push(as("fleet.discord.dm", "channels.discord.dmPolicy", note));
  }
  const tools = "Upstream's bots could run commands. Here they answer only, until you change tools.profile.";
  missing.push({ setting: "tools", note: tools });
}

/** Common documents go to every bot; a bot's own win. Only the top of a workspace is copied to the host. */
function importDocuments(
  bots: readonly string[],
  documents: ReadonlyMap<string, string>,
  imported: ImportedBots,
): void {
  const sorted = [...documents].sort(([a], [b]) => Number(a.startsWith("bots/")) - Number(b.startsWith("bots/")));
  for (const [path, text] of sorted) {
    const [, own, name] = /^(?:common\/|bots\/([^/]+)\/)?([^/]+\.md)$/.exec(path) ?? [];
    const setting = `fleet.documentsDir: ${safeText(path, 200)}`;
    const to = own === undefined ? bots : bots.filter((bot) => bot === own);
    if (name === undefined || to.length === 0) {
      imported.missing.push({
        setting,
        note: "Only *.md files of all bots, or of one that fleet.bots lists, are copied.",
      });
      continue;
    }
    for (const bot of to) imported.files.set(`${botFolderOf(bot)}/workspace/${name}`, text);
    imported.carried.push({ setting, to: own === undefined ? "bots/*/workspace" : `${botFolderOf(own)}/workspace` });
  }
}
