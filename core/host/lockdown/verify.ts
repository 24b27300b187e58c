import { type ExitCode, exitCodes } from "../../base/exit-codes.ts";
import { createHetzner } from "../../base/hetzner/client.ts";
import { HetznerApiError } from "../../base/hetzner/errors.ts";
import { asUserError } from "../../base/system-errors.ts";
import type { Layout } from "../../project/layout.ts";
import { type Access, readAccess } from "../../project/settings/access.ts";
import { type Expectation, expectationOf } from "./expectation.ts";
import { type LockdownAnswer, type LockdownSeen, lookAtLockdown } from "./prove.ts";

/** What was found of one host. Without `seen` there was nothing to look at, or no way to. */
export interface Verified {
  host: string;
  ok: boolean;
  answer: LockdownAnswer;
  exitCode: ExitCode;
  /** Where what is expected was read from. */
  expectedFrom?: Expectation["from"];
  seen?: LockdownSeen;
  /** Everything that is wrong, a sentence each. */
  wrong: string[];
  warnings: string[];
}

export interface VerifyRequest {
  layout: Layout;
  host: string;
  environment: Readonly<Record<string, string | undefined>>;
  /** @default 20: an installed host has joined its tailnet long ago */
  tailnetSeconds?: number;
  signal: AbortSignal;
}

/** Looks whether a host is locked down as declared. Changes nothing; what goes wrong on the way is in the result. */
export async function verifyHost(request: VerifyRequest): Promise<Verified> {
  const { host, layout, environment, signal } = request;
  try {
    const access = readAccess(layout, host, environment);
    const hetzner = createHetzner({ endpoint: access.endpoint, token: access.token, limits: patience, signal });
    const expectation = await expectationOf(hetzner, { layout, host, access });
    if (expectation) return await verifyExpected(request, access, expectation);
    const note = "Hetzner has no server of this host, so there is nothing that could be open";
    return { host, ok: true, answer: "locked", exitCode: exitCodes.ok, wrong: [], warnings: [note] };
  } catch (error) {
    signal.throwIfAborted();
    const known = asUserError(error);
    if (!known) throw error;
    return notKnown(host, known.message);
  }
}

/** A cron job asks again soon; one that hangs tells nobody. */
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
    const wrong = `Hetzner has no server ${expected.serverId}, which the ${from} names. Was it deleted by hand? clawdlets up --host ${host} makes it anew`;
    return { ...notKnown(host, wrong), expectedFrom: from, warnings: notes };
  }
}

/** Nothing was seen: neither that it is closed nor that it is open. */
export const notKnown = (host: string, why: string): Verified => {
  return { host, ok: false, answer: "unknown", exitCode: exitCodes.unknown, wrong: [why], warnings: [] };
};
