import { relative } from "node:path";
import { type Objection, type Problem, problemJson } from "../../../base/problem.ts";
import { problemsOf } from "../../../base/problems.ts";
import { parseJsonText } from "../../../base/text/json-text.ts";
import { readText } from "../../../base/text/read-text.ts";
import type { Layout } from "../../layout.ts";
import { ownFolderProblem } from "../../own-folder.ts";
import { hostNameAllowed } from "../names.ts";
import { knownKeys, type StackHost, type StackJson, stackJson } from "./schema.ts";

export { type StackHost, type StackJson, stackJsonSchema } from "./schema.ts";

/** Checks the content of a stack.json. @param where the file's name, for messages */
export function checkStackJson(input: unknown, where: string): { value?: StackJson; problems: Problem[] } {
  const old = otherVersion(input);
  if (old) return { problems: [{ subject: where, setting: "schemaVersion", ...old }] };
  const parsed = stackJson.safeParse(input);
  const problems = parsed.success ? [] : problemsOf(parsed.error, input, { where, known: knownKeys });
  // Zod silently drops this key from records.
  if (hasHostCalledProto(input)) {
    problems.push({
      code: "invalid-value",
      subject: where,
      setting: "hosts.__proto__",
      problem: `allowed: ${hostNameAllowed}, e.g. web-1.`,
      fix: "Rename it.",
    });
  }
  return parsed.success && problems.length === 0 ? { value: parsed.data, problems } : { problems };
}

/** One problem instead of dozens: nearly every key of another version is unknown here. */
function otherVersion(input: unknown): Objection | undefined {
  const version = isRecord(input) ? input["schemaVersion"] : undefined;
  if (!Number.isSafeInteger(version) || version === 3) return undefined;
  const fix =
    version === 1 || version === 2
      ? "An older clawdlets wrote this file. Migrate it: clawdlets secrets migrate"
      : "The file is from a newer clawdlets, or the number is mistyped.";
  return { code: "wrong-version", problem: `is ${version}; allowed: 3.`, fix };
}

function hasHostCalledProto(input: unknown): boolean {
  return isRecord(input) && isRecord(input["hosts"]) && Object.hasOwn(input["hosts"], "__proto__");
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Parses the text of a stack.json. @param where the file's name, for messages */
export function parseStackJson(text: string, where: string): { value?: StackJson; problems: Problem[] } {
  const { value, problems } = parseJsonText(text, where);
  return problems.length > 0 ? { problems } : checkStackJson(value, where);
}

/**
 * Reads the file; `undefined` without a problem if it does not exist, as in CI. It is not a secret, and upstream writes it with
 * mode 0644. But a link out of .clawdlets could lead to a place that others can write to, and a `.clawdlets` that came
 * with the repository could open TCP/22 to an attacker's network.
 */
export function readStackJson(layout: Layout): { value?: StackJson; problems: Problem[] } {
  const folder = ownFolderProblem(layout);
  if (folder) return { problems: [problemJson(folder)] };
  const where = relative(layout.root, layout.stackJson);
  const { text, problems } = readText(layout.stackJson, where, layout.dir);
  return text === undefined ? { problems } : parseStackJson(text, where);
}

/** The entry of one host. Uses hasOwn, because "constructor" is a valid host name and a property of every object. */
export function hostEntry(stack: StackJson, host: string): StackHost | undefined {
  return Object.hasOwn(stack.hosts, host) ? stack.hosts[host] : undefined;
}
