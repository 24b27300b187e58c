import { SettingsError } from "../../base/errors.ts";
import { readBot } from "../../project/bots/bot-folder.ts";
import { type DerivedEgress, deriveEgress } from "../../project/egress/derive.ts";
import type { Layout } from "../../project/layout.ts";
import { botSettingsOf } from "../bots/hosts-of.ts";
import { listBots } from "../bots/show.ts";

/** What one bot needs to reach. */
export interface BotEgress extends DerivedEgress {
  bot: string;
  /** False for a bot whose program is set in Nix: nothing can be derived. */
  hasFolder: boolean;
}

/**
 * The domains that bots need, by their openclaw.json.
 * @param host only its bots; otherwise all of the project
 * @throws SettingsError when a folder or the stack file cannot be read
 */
export function explainEgress(layout: Layout, host: string | undefined): BotEgress[] {
  const names = host === undefined ? listBots(layout).map(({ bot }) => bot) : botSettingsOf(layout, host).bots;
  const read = names.map((bot) => ({ bot, ...readBot(layout, bot) }));
  const problems = read.flatMap((each) => each.problems);
  if (problems.length > 0) throw new SettingsError(problems);
  return read.map(({ bot, value }) => {
    const derived = value ? deriveEgress(value.config) : { needed: [], unknown: [] };
    return { bot, hasFolder: value !== undefined, ...derived };
  });
}

/** All domains, sorted, each once: what `clawdlets.egress.proxy.derived` allows. */
export function domainsOf(bots: readonly BotEgress[]): string[] {
  return [...new Set(bots.flatMap(({ needed }) => needed.map(({ domain }) => domain)))].sort();
}
