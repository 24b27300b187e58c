import type { Objection, Problem } from "../../base/problem.ts";
import { parseJsonText } from "../../base/text/json-text.ts";
import type { Layout } from "../layout.ts";
import { secretName } from "../settings/names.ts";
import { readBotFile } from "./read-file.ts";

/** A variable that a reference in openclaw.json can name. */
const variablePattern = /^[A-Z_][A-Z0-9_]*$/;

/**
 * Reads `secrets.json` of a bot's folder: variables, and the names of the secrets that are their values, where a secret is shared with
 * another bot or has a name from before. The same file is read by nix/hosts.nix, which takes plain JSON only.
 * @param file relative to the project @returns no names when there is no such file
 */
export function readSecretNames(
  layout: Pick<Layout, "root">,
  file: string,
): { names: Readonly<Record<string, string>>; problems: Problem[] } {
  const read = readBotFile(layout, file);
  if (read.text === undefined) return { names: {}, problems: read.problems };
  const parsed = parseJsonText(read.text, file);
  if (parsed.problems.length > 0) return { names: {}, problems: parsed.problems };
  const { value } = parsed;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    const problem = 'is not an object; allowed: variables and names of secrets, e.g. {"ZAI_API_KEY": "z_ai_api_key"}.';
    return { names: {}, problems: [{ code: "file-invalid", subject: file, problem }] };
  }
  const entries = Object.entries(value);
  const problems = entries.flatMap(([variable, name]): Problem[] =>
    objectionsTo(variable, name).map((objection) => ({ subject: file, setting: variable, ...objection })),
  );
  return problems.length > 0 ? { names: {}, problems } : { names: Object.fromEntries(entries), problems };
}

/** Never quotes the value: it could be the secret itself. */
function objectionsTo(variable: string, name: unknown): Objection[] {
  const wrong = (problem: string): Objection => ({ code: "invalid-value", problem });
  if (!variablePattern.test(variable)) {
    return [wrong('is not a variable; allowed: capital letters, digits and "_", not starting with a digit.')];
  }
  const allowed = secretName.safeParse(name).error?.issues[0]?.message;
  return allowed === undefined ? [] : [wrong(`is not the name of a secret (not shown); ${allowed}.`)];
}
