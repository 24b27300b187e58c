import { SettingsError } from "../../base/errors.ts";
import { type Problem, problemJson } from "../../base/problem.ts";
import { type BotFolder, readBots } from "../bots/bot-folder.ts";
import { entriesOf } from "../bots/config.ts";
import { pinnedSchema, readSchema } from "../bots/schema/pinned.ts";
import type { Layout } from "../layout.ts";
import { lintAccess } from "./access.ts";
import { type BotFinding, onOption, optionAt } from "./finding.ts";
import { lintGateway } from "./gateway.ts";
import { lintSchema } from "./schema.ts";
import { lintSecrets } from "./secrets.ts";
import { lintTools } from "./tools.ts";

/** Everything that is unsafe in a bot's folder, or that OpenClaw refuses in it; critical findings first. */
export function lintBot(bot: BotFolder, schema = pinnedSchema()): BotFinding[] {
  const found = [
    ...lintSchema(bot, schema),
    ...lintSecrets(bot),
    ...lintAccess(bot),
    ...lintGateway(bot),
    ...lintTools(bot),
    ...lintWorkspace(bot),
    ...lintProxies(bot),
  ];
  return [...found.filter(isCritical), ...found.filter((each) => !isCritical(each))];
}

export const isCritical = ({ severity }: Pick<BotFinding, "severity">): boolean => severity === "critical";

/**
 * Findings of a host's bots. A folder that cannot be read is a finding of its own.
 * @param bots names; those without a folder have none
 */
export function lintBots(layout: Pick<Layout, "root">, bots: readonly string[]): BotFinding[] {
  const read = readBots(layout, bots);
  const { value: schema, problems } = readSchema(layout);
  return [
    ...[...read.problems, ...problems].map((problem): BotFinding => ({ ...problem, severity: "critical" })),
    ...read.bots.flatMap((bot) => lintBot(bot, schema)),
  ];
}

/** What keeps a host from being bought, changed or previewed, as problems. */
export function criticalOf(layout: Pick<Layout, "root">, bots: readonly string[]): Problem[] {
  return lintBots(layout, bots).filter(isCritical).map(problemJson);
}

/** @throws SettingsError with every critical finding */
export function requireSafeBots(layout: Pick<Layout, "root">, bots: readonly string[]): void {
  const problems = criticalOf(layout, bots);
  if (problems.length > 0) throw new SettingsError(problems);
}

/** The unit names the bot's own proxy, which is the only one that it reaches in proxy-allowlist. */
function lintProxies(bot: BotFolder): BotFinding[] {
  const isProxy = (path: readonly string[]) =>
    path.join(".") === "proxy.proxyUrl" || (path[0] === "channels" && path.at(-1) === "proxy");
  const set = [...entriesOf(bot.config)].filter(({ path, value }) => typeof value === "string" && isProxy(path));
  const problem =
    "overrides the proxy of the bot's unit, which is the only one that the bot reaches with proxy-allowlist.";
  return set.map(({ path }) => onOption(bot, path, { severity: "warning", problem, fix: "Remove it." }));
}

/** The unit copies the documents to one place, and OpenClaw reads them from where the file says. */
function lintWorkspace(bot: BotFolder): BotFinding[] {
  const path = ["agents", "defaults", "workspace"];
  const ours = `/srv/clawdbot/${bot.name}/workspace`;
  const value = optionAt(bot.config, ...path);
  if (value === undefined || value === ours || bot.documents.length === 0) return [];
  const problem = `is not the folder ${ours}, which the documents are copied to.`;
  return [onOption(bot, path, { severity: "warning", problem, fix: "Remove it." })];
}
