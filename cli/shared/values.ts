import { readFileSync } from "node:fs";
import { buffer } from "node:stream/consumers";
import { z } from "zod";
import { hasCode, messageOf, SettingsError, UserError } from "../../core/base/errors.ts";
import { exitCodes } from "../../core/base/exit-codes.ts";
import type { Problem } from "../../core/base/problem.ts";

const allowed =
  'Allowed: one object {"secret_name": "value", …}, or upstream\'s {"adminPasswordHash": "…", "tailscaleAuthKey": "…", "discordTokens": {"bot": "…"}}.';

/** Upstream's names of what `secrets init` reads, by ours. @see regenrek/clawdlets b49d4af, secrets-init.ts */
const upstreamNames: Record<string, string> = {
  adminPasswordHash: "admin_password_hash",
  tailscaleAuthKey: "tailscale_auth_key",
  zAiApiKey: "z_ai_api_key",
};

const shape = z.record(z.string(), z.unknown());
const tokens = z.record(z.string(), z.string());

/**
 * Secrets in plain text by name, from a file or, as `-`, from standard input.
 * @throws UserError (usage) if it is not JSON of that shape. Its contents are never quoted.
 */
export async function readValues(source: string): Promise<Record<string, string>> {
  const refuse = (why: string) =>
    new UserError(`--from-json ${source}: ${why}. ${allowed}`, { exitCode: exitCodes.usage });
  let content: unknown;
  try {
    content = JSON.parse(await readText(source));
  } catch (error) {
    // A parser's message quotes the text, which here is secrets.
    throw refuse(error instanceof SyntaxError ? "it is not JSON" : whyUnread(error));
  }
  return valuesOf(content, source);
}

/**
 * The text of a file or, as `-`, of standard input. Bytes that are not UTF-8 are refused: replaced, they would become part of a secret.
 * @throws an error that {@link whyUnread} explains
 */
export async function readText(source: string): Promise<string> {
  const bytes = source === "-" ? await buffer(process.stdin) : readFileSync(source);
  return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
}

/**
 * One value from standard input, as it is but for one final newline.
 * @param what names the value in the error, e.g. `the new value`
 * @throws UserError (usage) if it is not UTF-8
 */
export async function readValue(what: string): Promise<string> {
  try {
    return (await readText("-")).replace(/\r?\n$/, "");
  } catch (error) {
    throw new UserError(`${what} on standard input: ${whyUnread(error)}.`, { exitCode: exitCodes.usage });
  }
}

/** Why a file that was named on the command line cannot be read, without a full stop. */
export function whyUnread(error: unknown): string {
  if (hasCode(error, "ENOENT", "ENOTDIR")) return "no such file";
  if (hasCode(error, "EISDIR")) return "is a folder, not a file";
  if (hasCode(error, "ERR_ENCODING_INVALID_ENCODED_DATA")) return "it is not UTF-8 text";
  if (hasCode(error, "EACCES")) return "permission denied; ls -l shows its owner and mode";
  return messageOf(error);
}

/** @throws SettingsError that names each key whose value is not a string */
export function valuesOf(content: unknown, source: string): Record<string, string> {
  const parsed = shape.safeParse(content);
  if (!parsed.success) {
    throw new UserError(`--from-json ${source}: it is not an object. ${allowed}`, { exitCode: exitCodes.usage });
  }
  const values: Record<string, string> = {};
  const wrong: string[] = [];
  for (const [key, value] of Object.entries(parsed.data)) {
    const bots = key === "discordTokens" ? tokens.safeParse(value) : undefined;
    if (bots?.success) for (const [bot, token] of Object.entries(bots.data)) values[`discord_token_${bot}`] = token;
    else if (typeof value === "string") values[upstreamNames[key] ?? key] = value;
    else wrong.push(key);
  }
  if (wrong.length === 0) return values;
  throw new SettingsError(
    wrong.map(
      (setting): Problem => ({
        code: "invalid-value",
        subject: "--from-json",
        setting,
        problem: 'must be a string, as in {"name": "value"}.',
      }),
    ),
  );
}
