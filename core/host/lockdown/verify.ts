import { type ExitCode, exitCodes } from "../../base/exit-codes.ts";
import { createHetzner } from "../../base/hetzner/client.ts";
import { HetznerApiError } from "../../base/hetzner/errors.ts";
import type { Environment } from "../../base/machine/environment.ts";
import type { Problem } from "../../base/problem.ts";
import { asUserError } from "../../base/system-errors.ts";
import type { Layout } from "../../project/layout.ts";
import { type Access, readAccess } from "../../project/settings/access.ts";
import { type Expectation, expectationOf } from "./expectation.ts";
import { type LockdownAnswer, type LockdownSeen, lookAtLockdown } from "./prove.ts";

/** The result for one host. `seen` is undefined if there was nothing to check, or the check was impossible. */
export interface Verified {
  host: string;
  ok: boolean;
  answer: LockdownAnswer;
  exitCode: ExitCode;
  /** Source of what is expected. */
  expectedFrom?: Expectation["from"];
  seen?: LockdownSeen;
  /** Every problem, a sentence each. */
  wrong: string[];
  /** Those of {@link wrong} that have a code of their own. */
  problems?: Problem[];
  warnings: string[];
  /** Of `lockdown`: whether the host's own sshd, firewall and sockets are as declared; omitted if it was not asked. */
  onHost?: "as declared" | "differs";
}

export interface VerifyRequest {
  layout: Layout;
  host: string;
  environment: Environment;
  /** @default 20: an installed host joined its tailnet long ago */
  tailnetSeconds?: number;
  signal: AbortSignal;
}

/** Checks that a host is locked down as declared. Changes nothing. Errors are part of the result. */
export async function verifyHost(request: VerifyRequest): Promise<Verified> {
  const { host, layout, environment, signal } = request;
  try {
    const access = readAccess(layout, host, environment);
    const hetzner = createHetzner({ endpoint: access.endpoint, token: access.token, limits: patience, signal });
    const expectation = await expectationOf(hetzner, { layout, host, access });
    if (expectation) return await verifyExpected(request, access, expectation);
    const note = "Hetzner has no server for this host, so nothing can be open";
    return { host, ok: true, answer: "locked", exitCode: exitCodes.ok, wrong: [], warnings: [note] };
  } catch (error) {
    signal.throwIfAborted();
    const known = asUserError(error);
    if (!known) throw error;
    return notKnown(host, known.message);
  }
}

/** Few retries: a cron job tries again soon, but one that hangs reports nothing. */
const patience = { attempts: 4, maxWaitSeconds: 10 };

/** @throws UserError when Hetzner cannot be asked */
export async function verifyExpected(
  { layout, host, tailnetSeconds = 20, signal }: Omit<VerifyRequest, "environment">,
  access: Access,
  { expected, from, notes }: Expectation,
): Promise<Verified> {
  const request = { layout, host, access, expected, tailnetSeconds, signal, report: () => undefined };
  try {
    const seen = await lookAtLockdown(request);
    const { ok, answer, exitCode, wrong } = seen;
    return { host, ok, answer, exitCode, expectedFrom: from, seen, wrong, warnings: [...notes, ...seen.warnings] };
  } catch (error) {
    if (!(error instanceof HetznerApiError) || error.code !== "not_found") throw error;
    const wrong = `Hetzner does not have server ${expected.serverId}, which the ${from} names. Was it deleted by hand? Create it again: clawdlets up --host ${host}`;
    return { ...notKnown(host, wrong), expectedFrom: from, warnings: notes };
  }
}

/** Result of a check that could not run: neither open nor closed. */
export const notKnown = (host: string, why: string): Verified => {
  return { host, ok: false, answer: "unknown", exitCode: exitCodes.unknown, wrong: [why], warnings: [] };
};
