import type { Problem } from "../../../base/problem.ts";
import { checkStackJson, type StackJson } from "./stack-json.ts";

type Entries = Readonly<Record<string, unknown>>;

/**
 * Converts the content of a stack.json of schema version 1 or 2 to version 3. Version 3 is returned unchanged.
 * @param where the file's name, for messages
 * @returns the same keys in the same order, or every problem of the result as version 3
 * @see regenrek/clawdlets, schema 1 at 02524f4, 2 at 09bbba0, 3 at b49d4af, cli/src/commands/secrets/migrate.ts
 */
export function migrateStackJson(
  input: unknown,
  where = ".clawdlets/stack.json",
): { value?: StackJson; problems: Problem[] } {
  const next = isEntries(input) && isOlder(input) ? migrated(input) : input;
  const { value, problems } = checkStackJson(next, where);
  // Return the unparsed value: the schema trims whitespace around values.
  return value ? { value: next as StackJson, problems } : { problems };
}

const isOlder = (stack: Entries) => stack["schemaVersion"] === 1 || stack["schemaVersion"] === 2;

function migrated(stack: Entries): Entries {
  return mapEntries(stack, (key, value) => {
    if (key === "schemaVersion") return [key, 3];
    return key === "hosts" ? [key, changed(value, (name, host) => [name, changed(host, hostEntry)])] : [key, value];
  });
}

function hostEntry(key: string, value: unknown, host: Entries): [string, unknown] {
  if (key === "secrets") return [key, changed(value, secretsEntry)];
  // If the new name exists too, keep the old one, so that validation refuses it: it is unclear which one counts.
  return [key === "terraform" && !Object.hasOwn(host, "opentofu") ? "opentofu" : key, value];
}

/** One file per host became one folder per host, named like the file without its extension. */
function secretsEntry(key: string, value: unknown, secrets: Entries): [string, unknown] {
  const renamed = key === "localFile" ? "localDir" : key === "remoteFile" ? "remoteDir" : key;
  if (renamed === key || Object.hasOwn(secrets, renamed)) return [key, value];
  return [renamed, typeof value === "string" ? value.trim().replace(/\.ya?ml$/i, "") : value];
}

type Change = (key: string, value: unknown, entries: Entries) => [string, unknown];

/** Keeps anything that is not an object, so that validation refuses it. */
const changed = (value: unknown, change: Change) => (isEntries(value) ? mapEntries(value, change) : value);

const mapEntries = (entries: Entries, change: Change): Entries =>
  Object.fromEntries(Object.entries(entries).map(([key, value]) => change(key, value, entries)));

function isEntries(value: unknown): value is Entries {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
