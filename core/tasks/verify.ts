import { exitCodes } from "../base/exit-codes.ts";
import { asUserError } from "../base/system-errors.ts";
import { readBackups } from "../host/backup/orders.ts";
import { backupAges, backupProblems } from "../host/facts/backups.ts";
import { type Verified, type VerifyRequest, verifyHost } from "../host/lockdown/verify.ts";
import { findRoute, reasonOf } from "../host/reach/route.ts";
import { loadHost } from "../project/settings/host.ts";

/** Checks that a host is locked down as declared, and that its bots' backups are recent. Changes nothing. */
export async function verifyWithBackups(request: VerifyRequest): Promise<Verified> {
  const verified = await verifyHost(request);
  // What is open, or not known, comes first; and nobody is asked about a host that there is not.
  if (!verified.ok || !verified.seen) return verified;
  const { wrong, warning } = await backupsOf(request);
  if (warning !== undefined) return { ...verified, warnings: [...verified.warnings, warning] };
  if (wrong.length === 0) return verified;
  return { ...verified, ok: false, exitCode: exitCodes.failed, wrong: [...verified.wrong, ...wrong] };
}

async function backupsOf({
  layout,
  host,
  environment,
  signal,
}: VerifyRequest): Promise<{ wrong: string[]; warning?: string }> {
  try {
    const { settings, local } = loadHost(layout, host, environment, { token: false });
    if (!settings.backups) return { wrong: [] };
    const found = await findRoute({ layout, settings, local, signal });
    if (!found.route) return { wrong: [], warning: `backups: ${reasonOf(host, found).problem}` };
    const state = await readBackups({ host, route: found.route, signal });
    const ages = backupAges(settings.backups, settings.bots, state, new Date());
    return { wrong: backupProblems(host, ages, settings.backups.maxAgeHours) };
  } catch (error) {
    signal.throwIfAborted();
    const known = asUserError(error);
    if (!known) throw error;
    return { wrong: [], warning: `backups: ${known.message.split("\n").join(" ")}` };
  }
}
