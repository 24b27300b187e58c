/**
 * JSON that another process, an API or an earlier run wrote, for a schema to check. For a file that a person writes, with problems by
 * line, see `parseJsonText`.
 * @returns undefined for text that is not JSON, or none
 */
export function parseJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? "");
  } catch {
    return undefined; // A schema refuses it, with its own words.
  }
}
