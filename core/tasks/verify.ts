import { exitCodes } from "../base/exit-codes.ts";
import { type Problem, problemSentence } from "../base/problem.ts";
import { asUserError } from "../base/system-errors.ts";
import { readBackups } from "../host/backup/orders.ts";
import { backupAges, staleBackups } from "../host/facts/backups.ts";
import { ageWarning, readRunningSystem } from "../host/facts/running-system.ts";
import { lookAtHost } from "../host/facts/verify.ts";
import { type Verified, type VerifyRequest, verifyHost } from "../host/lockdown/verify.ts";
import { findRoute, reasonOf } from "../host/reach/route.ts";
import { type SshRoute, ssh } from "../host/reach/ssh.ts";
import { type HostSettings, loadHost } from "../project/settings/host.ts";

/**
 * Checks that a host is locked down as declared, and on the host itself that its bots' backups are recent, and how old its system
 * is. Changes nothing.
 */
export async function verifyEverything(request: VerifyRequest, now = new Date()): Promise<Verified> {
  const verified = await verifyHost(request);
  // What is open, or not known, comes first; and nobody is asked about a host that there is not.
  if (!verified.ok || !verified.seen) return verified;
  const { stale, warnings } = await seenOnHost(request, now);
  const result = { ...verified, warnings: [...verified.warnings, ...warnings] };
  if (stale.length === 0) return result;
  const wrong = [...verified.wrong, ...stale.map(problemSentence)];
  return { ...result, ok: false, exitCode: exitCodes.failed, wrong, problems: stale };
}

interface Seen {
  stale: Problem[];
  warnings: string[];
}

async function seenOnHost({ layout, host, environment, signal }: VerifyRequest, now: Date): Promise<Seen> {
  try {
    const { settings, local } = loadHost(layout, host, environment, { token: false });
    const { backups, rebuild } = settings;
    if (!backups && rebuild.maxAgeDays === undefined) return { stale: [], warnings: [] };
    const found = await findRoute({ layout, settings, local, signal });
    if (!found.route) return { stale: [], warnings: [`not checked on the host: ${reasonOf(host, found).problem}`] };
    const { route } = found;
    const age = await ageOf(settings, route, { signal, now });
    const state = backups && (await readBackups({ host, route, signal }));
    const stale = backups
      ? staleBackups(host, backupAges(backups, settings.bots, state, now), backups.maxAgeHours)
      : [];
    return { stale, warnings: age === undefined ? [] : [age] };
  } catch (error) {
    signal.throwIfAborted();
    const known = asUserError(error);
    if (!known) throw error;
    return { stale: [], warnings: [`not checked on the host: ${known.message.split("\n").join(" ")}`] };
  }
}

/** @returns a warning if the running system is older than the stack file allows, or does not say how old it is */
async function ageOf(
  { host, rebuild: { maxAgeDays } }: HostSettings,
  route: SshRoute,
  { signal, now }: { signal: AbortSignal; now: Date },
): Promise<string | undefined> {
  if (maxAgeDays === undefined) return undefined;
  const systemPath = (await lookAtHost(route, signal))?.systemPath ?? "";
  const run = (command: string) => ssh(route, command, { timeoutSeconds: 20, signal });
  const { since } = await readRunningSystem(run, systemPath);
  return ageWarning({ host, since, maxAgeDays, now });
}
