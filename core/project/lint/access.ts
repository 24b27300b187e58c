import type { BotFolder } from "../bots/bot-folder.ts";
import { type Entry, entriesOf } from "../bots/config.ts";
import { type BotFinding, onOption } from "./finding.ts";

/** Who may talk to the bot. Of every channel and account, those of plugins too: all use the same names for these options. */
export function lintAccess(bot: BotFolder): BotFinding[] {
  return [...entriesOf(bot.config)].flatMap((entry) => judge(bot, entry) ?? []);
}

function judge(bot: BotFolder, { path, value }: Entry): BotFinding | undefined {
  const critical = (problem: string, fix: string) => onOption(bot, path, { severity: "critical", problem, fix });
  const [key, parent] = [path.at(-1), path.at(-2)];
  if (value === "open") {
    if (key === "dmPolicy" || (parent === "dm" && key === "policy")) {
      return critical('is "open": anyone can send the bot direct messages.', 'Set "pairing" or "allowlist".');
    }
    if (key === "groupPolicy") {
      return critical('is "open": anyone in any group can talk to the bot.', 'Set "allowlist" or "disabled".');
    }
  }
  const isAllowlist = path.some((each) => /^(?:group)?allowFrom$/i.test(each));
  if (isAllowlist && value === "*") {
    const isElevated = path.includes("elevated");
    const problem = isElevated
      ? 'is "*": anyone can run commands outside of the sandbox.'
      : 'is "*", which is everyone.';
    return critical(problem, "List the ids of the allowed people.");
  }
  return undefined;
}
