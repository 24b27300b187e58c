import { exitCodes } from "../base/exit-codes.ts";
import { type Problem, problemSentence } from "../base/problem.ts";
import { asUserError } from "../base/system-errors.ts";
import { readBackups } from "../host/backup/orders.ts";
import { backupAges, staleBackups } from "../host/facts/backups.ts";
import { type Verified, type VerifyRequest, verifyHost } from "../host/lockdown/verify.ts";
import { findRoute, reasonOf } from "../host/reach/route.ts";
import { loadHost } from "../project/settings/host.ts";

/** Checks that a host is locked down as declared, and that its bots' backups are recent. Changes nothing. */
export async function verifyWithBackups(request: VerifyRequest): Promise<Verified> {
  const verified = await verifyHost(request);
  // What is open, or not known, comes first; and nobody is asked about a host that there is not.
  if (!verified.ok || !verified.seen) return verified;
  const { stale, warning } = await backupsOf(request);
  if (warning !== undefined) return { ...verified, warnings: [...verified.warnings, warning] };
  if (stale.length === 0) return verified;
  const wrong = [...verified.wrong, ...stale.map(problemSentence)];
  return { ...verified, ok: false, exitCode: exitCodes.failed, wrong, problems: stale };
}

async function backupsOf({
  layout,
  host,
  environment,
  signal,
}: VerifyRequest): Promise<{ stale: Problem[]; warning?: string }> {
  try {
    const { settings, local } = loadHost(layout, host, environment, { token: false });
    if (!settings.backups) return { stale: [] };
    const found = await findRoute({ layout, settings, local, signal });
    if (!found.route) return { stale: [], warning: `backups: ${reasonOf(host, found).problem}` };
    const state = await readBackups({ host, route: found.route, signal });
    const ages = backupAges(settings.backups, settings.bots, state, new Date());
    return { stale: staleBackups(host, ages, settings.backups.maxAgeHours) };
  } catch (error) {
    signal.throwIfAborted();
    const known = asUserError(error);
    if (!known) throw error;
    return { stale: [], warning: `backups: ${known.message.split("\n").join(" ")}` };
  }
}
