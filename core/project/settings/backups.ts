import { z } from "zod";
import { botName, matching } from "./names.ts";

/** Where backups go, from restic's notation of it. */
export interface Repository {
  kind: "s3" | "rest" | "sftp";
  /** With sftp. */
  user: string;
  host: string;
  port: number;
}

const label = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
const octet = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
const host = `((?:${label}\\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?|${octet}(?:\\.${octet}){3})`;
const rest = `${host}(?::([1-9][0-9]{0,4}))?/?((?:/[A-Za-z0-9._~+-]+)+)/?`;
const patterns = {
  s3: new RegExp(`^s3:https://()${rest}$`),
  rest: new RegExp(`^rest:https://()${rest}$`),
  sftp: new RegExp(`^sftp://([a-z_][a-z0-9_-]{0,31})@${rest}$`),
} as const;
const standardPorts = { s3: 443, rest: 443, sftp: 22 } as const;
/** Mail's ports are closed on every host (docs/egress.md). */
const closedPorts = [25, 465, 587, 2525];

/** By the same rules as nix/modules/backups/repository.nix. @returns undefined for what is not a repository of ours */
export function parseRepository(url: string): Repository | undefined {
  for (const kind of ["s3", "rest", "sftp"] as const) {
    const [, user = "", name, written, path = ""] = patterns[kind].exec(url) ?? [];
    if (name === undefined) continue;
    const port = written === undefined ? standardPorts[kind] : Number(written);
    const climbs = path.split("/").some((part) => part === "." || part === "..");
    if (climbs || port > 65_535 || closedPorts.includes(port)) return undefined;
    if (kind !== "sftp" && url.slice(kind.length + 1 + "https://".length).includes("//")) return undefined;
    return { kind, user, host: name, port };
  }
  return undefined;
}

const repository = z
  .string()
  .refine(
    (url) => parseRepository(url) !== undefined,
    "allowed: s3:https://HOST/BUCKET/FOLDER, rest:https://HOST/FOLDER or sftp://USER@HOST/FOLDER, with a domain or an IPv4 address, a port that is not mail's, and no login, query or fragment",
  );

/** systemd checks the rest when the host is built: `systemd-analyze calendar`. */
const calendar = matching(
  /^[A-Za-z0-9*,.:/~ -]{1,80}$/,
  'allowed: systemd\'s OnCalendar, e.g. "daily" or "*-*-* 03:00:00"',
);
const timeSpan = matching(/^[0-9]{1,4} ?(?:s|min|h)$/, 'allowed: a number and s, min or h, e.g. "1h"');
const counted = (most: number, least = 0) => {
  const allowed = `allowed: a whole number, ${least} to ${most}`;
  return z.preprocess(
    (value) => (typeof value === "string" && /^(0|[1-9][0-9]{0,4})$/.test(value) ? Number(value) : value),
    z.number(allowed).int(allowed).min(least, allowed).max(most, allowed),
  );
};
const keep = z.strictObject(
  { daily: counted(365).optional(), weekly: counted(520).optional(), monthly: counted(240).optional() },
  "allowed: an object with daily, weekly and monthly",
);

/** @see stackConfig `backups` */
export const backupSettings = z
  .strictObject(
    {
      /** restic's repository, one for each host: S3, sftp or REST. Its login is a secret. */
      repository,
      /** When, as systemd's OnCalendar. @default `*-*-* 03:00:00` */
      schedule: calendar.optional(),
      /** How much later than that at most. @default `1h` */
      randomDelay: timeSpan.optional(),
      /** When the repository is checked and cleaned up. @default `Sun *-*-* 05:00:00` */
      checkSchedule: calendar.optional(),
      /** How many backups are kept. @default `{daily: 7, weekly: 4, monthly: 6}` */
      keep: keep.optional(),
      /** Patterns of files to leave out, as restic's `--exclude-file`. @default `[]` */
      exclude: z
        .array(matching(/^[^\n\r]{1,300}$/, "allowed: a pattern in one line"), "allowed: a list of patterns")
        .optional(),
      /** Bots that are not backed up. @default `[]` */
      skip: z.array(botName, "allowed: a list of bot names").optional(),
      /** Where the repository is, if that is not a public address. @default any public address */
      addresses: z
        .array(
          matching(/^[0-9a-fA-F:.]{3,45}(?:\/[0-9]{1,3})?$/, "allowed: an address or network, e.g. 10.0.0.5"),
          "allowed: a list of addresses or networks",
        )
        .optional(),
      /** The ssh host key of an sftp repository; required there. */
      hostKey: matching(
        /^(?:ssh-ed25519|ssh-rsa|ecdsa-[a-z0-9-]+) [A-Za-z0-9+/=]{40,800}$/,
        "allowed: an ssh host key, e.g. ssh-ed25519 AAAA…",
      ).optional(),
      /** Of an S3 repository. @default found by restic */
      region: matching(/^[a-z0-9-]{1,40}$/, "allowed: a region, e.g. nbg1").optional(),
      /** From which age of a bot's last good backup `verify` and `status` fail, in hours. @default `36` */
      maxAgeHours: counted(8760, 1).default(36),
    },
    "allowed: an object with repository and, if you like, schedule, randomDelay, checkSchedule, keep, exclude, skip, addresses, hostKey, region, maxAgeHours",
  )
  .refine(({ repository: url, hostKey }) => parseRepository(url)?.kind !== "sftp" || hostKey !== undefined, {
    message: "required for an sftp repository; no key is trusted on first use",
    path: ["hostKey"],
  });

export type BackupSettings = z.infer<typeof backupSettings>;
