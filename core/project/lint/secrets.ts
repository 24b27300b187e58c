import type { BotFile, BotFolder } from "../bots/bot-folder.ts";
import { entriesOf } from "../bots/config.ts";
import { secretKindsIn } from "../secrets/token-shapes.ts";
import { type BotFinding, onOption } from "./finding.ts";

/**
 * Options whose values are secrets in OpenClaw's configuration: token, botToken, apiKey, password, signingSecret … Its schema has an
 * object that refers to a secret as the other form of each, and a test finds those.
 */
export const secretOption =
  /(?:token|(?:api|private|encrypt|access|signing)-?key|\btls\.key|password|passphrase|secret|authtag|serviceaccount|authorization)$/i;

/** Tokens in the files themselves, which git has, and which everyone on the host can read. Never quotes one. */
export function lintSecrets(bot: BotFolder): BotFinding[] {
  const inText = [bot, ...bot.documents].flatMap(tokensIn);
  const found = [...entriesOf(bot.config)].flatMap(({ path, value }): BotFinding[] => {
    if (typeof value !== "string" || value === "") return [];
    const kinds = inText.length > 0 ? [] : secretKindsIn(value);
    // Written with escapes, so that no line shows it.
    if (kinds.length > 0) return [inline(bot, kinds.join(" and "), { setting: path.join(".") })];
    if (!secretOption.test(path.join(".")) || value.includes("${")) return [];
    const problem = "is in plain text, and every user of the host can read this file.";
    return [onOption(bot, path, { severity: "warning", problem, fix: 'Write "${NAME}" if it is a secret.' })];
  });
  return [...inText, ...found];
}

function tokensIn({ file, text }: BotFile): BotFinding[] {
  return text.split("\n").flatMap((line, index) => {
    const at = { file, line: index + 1 };
    return secretKindsIn(line).map((kind) => inline({ file }, kind, { at }));
  });
}

function inline({ file }: Pick<BotFile, "file">, kind: string, where: Pick<BotFinding, "at" | "setting">): BotFinding {
  const place = where.at ? `line ${where.at.line} holds` : "holds";
  return {
    severity: "critical",
    code: "secret-in-public-file",
    subject: file,
    ...where,
    problem: `${place} ${kind}.`,
    fix: "Replace the secret where it was issued, because git keeps the old one. Then refer to it as ${NAME}.",
  };
}
