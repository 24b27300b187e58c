import type { VerifyRequest } from "../../core/host/lockdown/verify.ts";
import type { Done } from "../../core/tasks/fleet/run.ts";
import { verifyEverything } from "../../core/tasks/verify.ts";
import { verdictOf } from "../shared/verified.ts";

/** Verifies the canary after its change: the other hosts follow only if it is locked down as declared, and its backups are recent. */
export async function verifiedCanary<R>(
  done: Done<R>,
  request: VerifyRequest,
  tell: (text: string) => void,
): Promise<Done<R>> {
  if (!done.ok) return done;
  tell("verifying the canary");
  const verified = await verifyEverything(request);
  if (verified.ok) return { ...done, summary: `${done.summary}; verified` };
  const { exitCode, wrong, warnings } = verified;
  return {
    ...done,
    ok: false,
    exitCode,
    summary: `${done.summary}, but verify says: ${verdictOf(verified)}`,
    details: [...wrong, ...warnings],
  };
}
