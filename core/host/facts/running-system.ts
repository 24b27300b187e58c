import { askHost } from "../reach/ask.ts";

type Run = (command: string) => Promise<{ exitCode: number; stdout: string; stderr: string }>;

/** The system that a host runs, beside its store path. Unknown values are omitted. */
export interface RunningSystem {
  /** Commit it was built from, 40 hex digits; unknown for one built from a dirty tree. */
  revision?: string;
  /** When its generation was created, ISO 8601, UTC. A roll back to an older generation makes the system older. */
  since?: string;
  /** When the host's last change began its current phase, ISO 8601, UTC. */
  changedAt?: string;
}

const profile = "/nix/var/nix/profiles/system";

const commands = {
  revision: "/run/current-system/sw/bin/nixos-version --configuration-revision 2>/dev/null",
  generations: `for link in ${profile}-*-link; do echo "$(stat -c %Y "$link") $(readlink "$link")"; done 2>/dev/null`,
  changedAt: "stat -c %Y /var/lib/clawdlets/activation/state.json 2>/dev/null",
} as const;

/** Reads it in one session; the admin login is enough. */
export async function readRunningSystem(run: Run, systemPath: string): Promise<RunningSystem> {
  const { revision = "", generations = "", changedAt = "" } = (await askHost(run, commands)) ?? {};
  const since = newestOf(generations, systemPath);
  const at = timeOf(changedAt);
  return {
    ...(/^[0-9a-f]{40}$/.test(revision) && { revision }),
    ...(since !== undefined && { since }),
    ...(at !== undefined && { changedAt: at }),
  };
}

const dayMs = 24 * 3600 * 1000;

/** @param since as in {@link RunningSystem} @returns undefined up to and including `maxAgeDays` */
export function ageWarning(asked: {
  host: string;
  since: string | undefined;
  maxAgeDays: number;
  now: Date;
}): string | undefined {
  const { host, since, maxAgeDays, now } = asked;
  if (since === undefined) return "the host does not say how old its system is";
  const days = Math.floor((now.getTime() - Date.parse(since)) / dayMs);
  if (days <= maxAgeDays) return undefined;
  const allowed = `allowed: up to ${maxAgeDays} days (clawdlets:rebuild.maxAgeDays)`;
  return `its system is ${days} days old, from ${since.slice(0, 10)}; ${allowed}. Update flake.lock, then: clawdlets rebuild --host ${host}`;
}

/** Of lines `<seconds since 1970> <store path>`; a system can be in several generations. */
function newestOf(generations: string, systemPath: string): string | undefined {
  const times = generations.split("\n").flatMap((line) => {
    const [seconds = "", path] = line.split(" ");
    return path === systemPath ? (timeOf(seconds) ?? []) : [];
  });
  return times.sort().at(-1);
}

/** Twelve digits are far beyond any date; a host could answer anything. */
const timeOf = (seconds: string): string | undefined =>
  /^\d{1,11}$/.test(seconds) ? new Date(Number(seconds) * 1000).toISOString() : undefined;
