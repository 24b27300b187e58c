import { z } from "zod";
import type { Problem } from "../../base/problem.ts";
import { parseJson } from "../../base/text/json.ts";
import { safeText } from "../../base/wording.ts";
import type { BackupSettings } from "../../project/settings/backups.ts";

const text = z.string().transform((value) => safeText(value, 400));
const outcome = z.object({
  /** When it last went well, ISO 8601 in UTC; empty: never. */
  good: z.string(),
  tried: z.string(),
  /** Empty if the last try went well: `unreachable`, `password`, `full` … (docs/backups.md). */
  problem: text,
  why: text,
});

const state = z.object({
  bots: z.record(z.string(), outcome.extend({ snapshot: text })),
  check: outcome,
  run: z.object({ phase: z.string(), started: z.string(), ended: z.string() }),
  restore: z.object({
    id: z.string(),
    bot: text,
    snapshot: text,
    to: text,
    phase: text,
    result: text,
    folder: text,
    why: text,
  }),
});

/** What a host says about its backups (nix/host/backup.sh). */
export type BackupState = z.infer<typeof state>;

/** For `askHost`; the admin login is enough. */
export const backupQuestion = "cat /var/lib/clawdlets/backups/state.json";

/** Reads the one line of JSON that the host prints. @returns undefined before the first backup */
export const parseBackups = (answer: string): BackupState | undefined =>
  state.safeParse(parseJson(answer.trim().split("\n").at(-1) ?? "")).data;

/** One bot's last good backup. */
export interface BackupAge {
  bot: string;
  /** Omitted: there is none. */
  good?: string;
  snapshot?: string;
  ageHours?: number;
  /** Too old, or none. */
  stale: boolean;
  /** Why the last try failed. */
  problem?: string;
}

/** The age of each bot's last good backup. @param bots of the host */
export function backupAges(
  { skip = [], maxAgeHours }: Pick<BackupSettings, "skip" | "maxAgeHours">,
  bots: readonly string[],
  found: BackupState | undefined,
  now: Date,
): BackupAge[] {
  return bots
    .filter((bot) => !skip.includes(bot))
    .map((bot) => {
      const { good = "", snapshot = "", problem = "", why = "" } = found?.bots[bot] ?? {};
      const at = Date.parse(good);
      const failed = problem === "" ? {} : { problem: `${problem}: ${why}` };
      if (Number.isNaN(at)) return { bot, stale: true, ...failed };
      const ageHours = Math.max(0, Math.round((now.getTime() - at) / 360_000) / 10);
      return { bot, good, snapshot, ageHours, stale: ageHours > maxAgeHours, ...failed };
    });
}

/** One line about a bot's backup. */
export function backupLine({ bot, good, ageHours, snapshot, problem }: BackupAge): string {
  const last = good === undefined ? "no backup yet" : `last good backup ${ageHours} h ago (${good}, ${snapshot})`;
  return `${bot}: ${last}${problem === undefined ? "" : `; the last try failed: ${problem}`}`;
}

/** The backups of a host that are too old. */
export function staleBackups(host: string, ages: readonly BackupAge[], maxAgeHours: number): Problem[] {
  return ages
    .filter(({ stale }) => stale)
    .map((age) => ({
      code: "backup-stale",
      subject: host,
      problem: `${backupLine(age)}; allowed: up to ${maxAgeHours} h.`,
      fix: `Back up now: clawdlets backup now --host ${host}`,
    }));
}
