import type { Problem } from "../../base/problem.ts";
import type { BotFolder } from "../bots/bot-folder.ts";

/** `critical`: strangers get in, or a secret gets out; nothing is bought with it. `warning`: more than most bots need. */
export type Severity = "critical" | "warning";

export interface BotFinding extends Problem {
  severity: Severity;
}

/** A finding on one option of a bot's configuration. @param setting the keys that lead to it */
export function onOption(
  bot: Pick<BotFolder, "file">,
  setting: readonly string[],
  { severity, problem, fix }: Pick<BotFinding, "severity" | "problem" | "fix">,
): BotFinding {
  const about = { severity, code: "bot-unsafe", subject: bot.file } as const;
  return { ...about, setting: setting.join("."), problem, ...(fix !== undefined && { fix }) };
}

/** The value at these keys, whatever it is. */
export function optionAt(config: unknown, ...path: string[]): unknown {
  return path.reduce<unknown>((value, key) => {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    return (value as Record<string, unknown>)[key];
  }, config);
}
