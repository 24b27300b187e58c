import { safeText } from "../../base/wording.ts";

/** One difference between two revisions of the repository: a setting, a value in a file, or a whole file. */
export interface Difference {
  /** Relative to the project. */
  file: string;
  /** Omitted: the whole file. */
  setting?: string;
  /** Omitted: it did not exist. */
  before?: string;
  /** Omitted: it was removed. */
  after?: string;
  /** True if it changes who is trusted or what is reachable, so that a person has to approve it. */
  dangerous: boolean;
  /** An explanation, if file and setting are not clear enough. */
  why?: string;
}

const maxLength = 300;

/**
 * Formats a value for a message. Commits and hashes are shortened first: at full length they look like tokens and would be hidden,
 * so the old and the new value would look the same.
 */
export function spelled(value: unknown): string {
  if (Array.isArray(value)) {
    const plain = value.every((each) => typeof each !== "object" || each === null);
    return value.length > 0 && plain ? safeText(value.map(short).join(", "), maxLength) : short(JSON.stringify(value));
  }
  return short(typeof value === "object" && value !== null ? JSON.stringify(value) : String(value));
}

function short(value: unknown): string {
  const text = String(value)
    .replace(/(?<![0-9A-Za-z])([0-9a-f]{12})[0-9a-f]{28}(?:[0-9a-f]{24})?(?![0-9A-Za-z])/g, "$1…")
    .replace(/(?<![A-Za-z0-9+/])([A-Za-z0-9+/]{12})[A-Za-z0-9+/]{31}=/g, "$1…")
    .replace(/(sha(?:1|256|384|512)-[A-Za-z0-9+/]{12})[A-Za-z0-9+/]*={0,2}/g, "$1…");
  return safeText(text, maxLength);
}
