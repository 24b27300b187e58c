import { appendFileSync } from "node:fs";
import { dirname } from "node:path";
import { z } from "zod";
import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { makePrivateFolder, readPrivateFile } from "../../base/machine/private-files.ts";
import { parseJson } from "../../base/text/json.ts";

const entry = z.object({
  /** ISO 8601, UTC. */
  at: z.string(),
  number: z.number(),
  signature: z.string(),
  /** Commit or store path that was signed. */
  what: z.string(),
  /** Commit that it was built from, if it is known. */
  commit: z.string().optional(),
  /** True if files that git tracks differed from the commit. */
  dirty: z.boolean().optional(),
  /** URL of the builder that built it. */
  builder: z.string().optional(),
});

/** A signed release that a host has kept: `.clawdlets/hosts/<host>/releases.jsonl`. */
export type KeptRelease = z.infer<typeof entry>;

export function noteRelease(path: string, release: Omit<KeptRelease, "at">): void {
  makePrivateFolder(dirname(path));
  appendFileSync(path, `${JSON.stringify({ at: new Date().toISOString(), ...release })}\n`, { mode: 0o600 });
}

/** Oldest first. Skips a line that a power cut left incomplete. */
export function readReleases(path: string): KeptRelease[] {
  return (readPrivateFile(path) ?? "").split("\n").flatMap((line) => {
    const parsed = entry.safeParse(parseJson(line));
    return parsed.success ? [parsed.data] : [];
  });
}

/** @throws UserError with the numbers that there are */
export function findRelease(path: string, host: string, number: number): KeptRelease {
  const all = readReleases(path);
  const found = all.findLast((each) => each.number === number);
  if (found) return found;
  const known = all
    .slice(-5)
    .map((each) => each.number)
    .join(", ");
  throw new UserError(
    {
      code: "invalid-value",
      subject: host,
      setting: "--release",
      problem: `no release ${number} was signed on this machine; the last ones: ${known === "" ? "none" : known}.`,
    },
    { exitCode: exitCodes.settings },
  );
}
