import { appendFileSync } from "node:fs";
import { dirname } from "node:path";
import { z } from "zod";
import { messageOf } from "../../base/errors.ts";
import { makePrivateFolder, readPrivateFile } from "../../base/machine/private-files.ts";
import { parseJson } from "../../base/text/json.ts";
import { printable } from "../../base/wording.ts";

const entry = z.object({
  /** ISO 8601, UTC. */
  at: z.string(),
  /** `opening` is written before Hetzner is asked, so that even a killed run leaves a record. */
  event: z.enum(["opening", "open", "closed", "kept"]),
  /** The run that opened the window; undefined if every window of the host was closed. */
  run: z.string().optional(),
  by: z.enum(["install", "window", "guard", "lockdown", "up"]),
  /** Networks that it lets in. */
  cidrs: z.array(z.string()).optional(),
  /** When it must be closed. ISO 8601, UTC. */
  until: z.string().optional(),
  why: z.string().optional(),
});

/** One thing that happened to a window, as this machine saw it: `.clawdlets/hosts/<host>/windows.jsonl`. */
export type WindowEntry = z.infer<typeof entry>;

/**
 * Appends a line. Several processes may do so: a short append is atomic. A write error is reported but never delays closing a
 * port: the journal is for people, and only the API decides.
 */
export function noteWindow(path: string, what: Omit<WindowEntry, "at">): void {
  try {
    makePrivateFolder(dirname(path));
    appendFileSync(path, `${JSON.stringify({ at: new Date().toISOString(), ...what })}\n`, { mode: 0o600 });
  } catch (error) {
    process.stderr.write(`the journal of windows could not be written: ${printable(messageOf(error))}\n`);
  }
}

/** Oldest first. Skips a line that a power cut left incomplete. */
export function readWindowJournal(path: string): WindowEntry[] {
  return (readPrivateFile(path) ?? "").split("\n").flatMap((line) => {
    const parsed = entry.safeParse(parseJson(line));
    return parsed.success ? [parsed.data] : [];
  });
}
