import { didYouMean } from "../../base/nearest.ts";
import type { BotFolder } from "../bots/bot-folder.ts";
import { type Issue, issuesIn } from "../bots/schema/check.ts";
import type { ConfigSchema } from "../bots/schema/pinned.ts";
import { placeOf } from "../bots/schema/place.ts";
import { type BotFinding, optionAt } from "./finding.ts";

/** More are the same mistake, or another file. */
const maxFindings = 20;

/** What OpenClaw does not start with: options that it does not have, and values that it does not take. */
export function lintSchema(bot: BotFolder, { of, schema }: ConfigSchema): BotFinding[] {
  const issues = [...issuesIn(schema, bot.config), ...unknownChannels(bot, schema)].slice(0, maxFindings);
  return issues.map(({ path, code, problem }): BotFinding => {
    // What is missing has no place of its own.
    const { line, column } = placeOf(bot.text, code === "missing-setting" ? path.slice(0, -1) : path);
    const text = `line ${line}, column ${column}: ${problem}`;
    const fix = code === "unknown-setting" ? `Checked against ${of}, which does not start with it.` : undefined;
    const at = { file: bot.file, line };
    const about = { severity: "critical", code, subject: bot.file, setting: path.join("."), at } as const;
    return { ...about, problem: text, ...(fix !== undefined && { fix }) };
  });
}

/** The schema takes any channel, since a plugin may bring one; OpenClaw takes only those that a plugin brings. */
function unknownChannels(bot: BotFolder, schema: ConfigSchema["schema"]): Issue[] {
  const known = Object.keys(Object(optionAt(schema, "properties", "channels", "properties")));
  const channels = Object.keys(Object(optionAt(bot.config, "channels")));
  const allowed = [optionAt(bot.config, "plugins", "allow")].flat();
  const plugins = [...allowed, ...Object.keys(Object(optionAt(bot.config, "plugins", "entries")))];
  const odd = known.length === 0 ? [] : channels.filter((each) => !known.includes(each) && !plugins.includes(each));
  return odd.map((each) => ({
    path: ["channels", each],
    code: "unknown-setting",
    problem: `is not a channel${didYouMean(each, known)}; one that a plugin brings is listed in plugins.allow.`,
  }));
}
