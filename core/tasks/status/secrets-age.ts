import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { hasCode } from "../../base/errors.ts";

/** Age of a host's secrets, from sops' `lastmodified`. Nothing is decrypted. */
export interface SecretsAge {
  count: number;
  /** Age of the oldest, in whole days. */
  oldestDays: number;
  oldest: string;
}

/** @returns undefined if no file has a date */
export function secretsAge(folder: string, now: Date): SecretsAge | undefined {
  const dated = filesOf(folder).flatMap((file) => {
    const at = lastModified(join(folder, file));
    return at === undefined ? [] : [{ name: file.replace(/\.yaml$/, ""), at }];
  });
  const [first] = dated.sort((left, right) => left.at - right.at);
  if (first === undefined) return undefined;
  const oldestDays = Math.floor((now.getTime() - first.at) / 86_400_000);
  return { count: dated.length, oldestDays, oldest: first.name };
}

function filesOf(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => name.endsWith(".yaml"));
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR")) return [];
    throw error;
  }
}

function lastModified(file: string): number | undefined {
  const text = /^ {4}lastmodified: "?([0-9TZ:+.-]+)"?$/m.exec(readFileSync(file, "utf8"))?.[1];
  const at = Date.parse(text ?? "");
  return Number.isNaN(at) ? undefined : at;
}
