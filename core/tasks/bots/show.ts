import { existsSync, lstatSync } from "node:fs";
import { join, resolve } from "node:path";
import { SettingsError } from "../../base/errors.ts";
import { didYouMean } from "../../base/nearest.ts";
import { type BotFolder, botFolderOf, listBotFolders, readBot } from "../../project/bots/bot-folder.ts";
import { hostLayoutOf, type Layout } from "../../project/layout.ts";
import { optionAt } from "../../project/lint/finding.ts";
import { isCritical, lintBots } from "../../project/lint/lint.ts";
import { botVariables } from "../../project/secrets/bot-variables.ts";
import { botNamePattern } from "../../project/settings/names.ts";
import { listStackFiles } from "../../project/settings/stack-file.ts";
import { hostEntry, readStackJson } from "../../project/settings/stack-json/stack-json.ts";
import { botSettingsOf, hostsOf } from "./hosts-of.ts";

export interface BotSummary {
  bot: string;
  /** Relative to the project; left out for a bot that is declared in Nix. */
  folder?: string;
  hosts: string[];
  channels: string[];
  model?: string;
  critical: number;
  warnings: number;
}

/** Every bot that has a folder or is named in a stack file, sorted. A broken folder counts as a critical finding. */
export function listBots(layout: Layout): BotSummary[] {
  const named = listStackFiles(layout).flatMap((host) => botSettingsOf(layout, host).bots);
  const folders = listBotFolders(layout).filter((each) => lstatSync(join(layout.root, "bots", each)).isDirectory());
  return [...new Set([...folders, ...named])].sort().map((bot) => summaryOf(layout, bot));
}

function summaryOf(layout: Layout, bot: string): BotSummary {
  const findings = lintBots(layout, [bot]);
  const critical = findings.filter(isCritical).length;
  const config = botNamePattern.test(bot) ? readBot(layout, bot).value?.config : undefined;
  const channels = optionAt(config, "channels");
  const model =
    optionAt(config, "agents", "defaults", "model", "primary") ?? optionAt(config, "agents", "defaults", "model");
  return {
    bot,
    ...(existsSync(join(layout.root, botFolderOf(bot))) && { folder: botFolderOf(bot) }),
    hosts: hostsOf(layout, bot),
    channels: Object.keys(typeof channels === "object" && channels !== null ? channels : {}).filter(isChannel),
    ...(typeof model === "string" && { model }),
    critical,
    warnings: findings.length - critical,
  };
}

const isChannel = (key: string) => key !== "defaults" && key !== "modelByChannel";

/** A secret of a bot on one of its hosts. */
export interface BotSecret {
  host: string;
  variable: string;
  secret: string;
  status: "set" | "missing";
}

/** One bot with its secrets, on each of its hosts. @throws SettingsError when its folder is missing or broken */
export function showBot(layout: Layout, bot: string): BotSummary & { secrets: BotSecret[] } {
  requireBotFolder(layout, bot);
  const { value, problems } = readBot(layout, bot);
  if (problems.length > 0) throw new SettingsError(problems);
  const summary = summaryOf(layout, bot);
  return { ...summary, secrets: value ? summary.hosts.flatMap((host) => secretsOn(layout, host, value)) : [] };
}

function secretsOn(layout: Layout, host: string, bot: BotFolder): BotSecret[] {
  const stack = readStackJson(layout).value;
  const localDir = stack && hostEntry(stack, host)?.secrets.localDir;
  const folder = localDir === undefined ? hostLayoutOf(layout, host).secrets : resolve(layout.dir, localDir);
  return botVariables(bot).map(({ variable, secret }) => {
    const status = existsSync(join(folder, `${secret.name}.yaml`)) ? "set" : "missing";
    return { host, variable, secret: secret.name, status };
  });
}

/** @throws SettingsError for a name that is malformed or has no folder */
export function requireBotFolder(layout: Layout, bot: string): void {
  const known = listBotFolders(layout);
  if (botNamePattern.test(bot) && known.includes(bot)) return;
  throw new SettingsError([
    {
      code: "file-missing",
      subject: "bots",
      setting: "name",
      problem: `there is no bots/${bot}${didYouMean(bot, known)}.`,
      fix: "See all: clawdlets bot list",
    },
  ]);
}
