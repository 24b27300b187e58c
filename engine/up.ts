import type { EngineEvent, Stack } from "@pulumi/pulumi/automation/index.js";
import { UserError } from "../core/base/errors.ts";
import { adoptionKey } from "../core/base/hetzner/adopt.ts";
import type { Environment } from "../core/base/machine/environment.ts";
import { verifyHost } from "../core/host/lockdown/verify.ts";
import { linesOf, retryLeft } from "../core/host/tailnet/leave.ts";
import { keepCopy } from "../core/project/copies/keep.ts";
import { hostLayoutOf, type Layout } from "../core/project/layout.ts";
import { loadHost, type WantedRevision, wantedEnvironment } from "../core/project/settings/host.ts";
import { engineOrSetUp } from "./environment.ts";
import type { Progress } from "./progress/progress.ts";
import { keepState } from "./recovery/good-state.ts";
import { type Recovery, withInstallationSettled } from "./recovery/interrupted.ts";
import { findAdoptable } from "./recovery/leftovers.ts";
import { recover } from "./recovery/recover.ts";
import { runEngine } from "./run.ts";
import { openStack } from "./stack.ts";

export interface UpRequest {
  layout: Layout;
  host: string;
  environment: Environment;
  progress: Progress;
  /** A revision of the flake other than the declared one. */
  wanted?: WantedRevision;
  /** Whether a person asked to take over whatever carries the host's labels at Hetzner. @default false */
  adopt?: boolean;
}

export interface UpResult {
  ok: true;
  stack: string;
  /** Resources by operation: `{same: 9}` when there was nothing to do. */
  changes: Record<string, number>;
  outputs: Record<string, unknown>;
  seconds: number;
}

/**
 * Brings one host to what its stack file declares: opens the stack, recovers what a killed run left, runs the engine, and proves
 * the lockdown.
 * @throws SettingsError before anything is changed; UserError with the engine's own reason afterwards
 */
export async function up(request: UpRequest): Promise<UpResult> {
  const { layout, host, environment, progress, wanted = {}, adopt = false } = request;
  const extra = wantedEnvironment(wanted);
  const { settings, local } = loadHost(layout, host, { ...environment, ...extra });
  const engine = await engineOrSetUp(progress);
  const open = (more: Record<string, string> = {}) =>
    openStack(layout, host, engine, { extra: { ...extra, ...more }, tell: progress });
  const recovery: Recovery = { layout, host, settings, local, tell: progress };

  const stack = await open();
  await recover(stack, recovery);

  for (const line of linesOf(host, await retryLeft({ files: hostLayoutOf(layout, host), local, host }))) progress(line);

  const startedAt = Date.now();
  const takeOver = async (): Promise<boolean> => {
    const found = await findAdoptable(recovery, adopt);
    if (!found) return false;
    await runOnce(await open({ [adoptionKey]: JSON.stringify(found) }), recovery, progress);
    progress(`${host}: taken over; applying what differs from the declaration`);
    return true;
  };
  if (stack.isRestored) await takeOver();
  const { changes, outputs } = await runOnce(stack, recovery, progress).catch(async (error: unknown) => {
    // A name is taken, perhaps by what an earlier run made and lost. Not searched for before: it costs requests.
    if (!isNameTaken(error) || !(await takeOver())) throw error;
    return runOnce(stack, recovery, progress);
  });
  await keepState(layout, host);
  keepCopy(layout);

  await proveUpdated(request, changes);
  const seconds = (Date.now() - startedAt) / 1000;
  return { ok: true, stack: host, changes, outputs: withoutSecrets(outputs), seconds };
}

const runOnce = (stack: Stack, recovery: Recovery, progress: Progress) =>
  withInstallationSettled(recovery, () =>
    runEngine(recovery.host, "up", progress, async (options) => {
      let changes: Record<string, number> = {};
      const onEvent = (event: EngineEvent) => {
        if (event.summaryEvent) changes = counted(event.summaryEvent.resourceChanges);
        options.onEvent(event);
      };
      const { outputs } = await stack.up({ ...options, onEvent });
      return { changes, outputs };
    }),
  );

/** The provider passes on Hetzner's own code. */
const isNameTaken = (error: unknown) =>
  error instanceof UserError && error.reasons.some((text) => text.includes("uniqueness_error"));

const counted = (changes: Readonly<Record<string, number | undefined>> = {}): Record<string, number> =>
  Object.fromEntries(Object.entries(changes).map(([op, count]) => [op, count ?? 0]));

const withoutSecrets = (outputs: Readonly<Record<string, { value: unknown; secret: boolean }>>) =>
  Object.fromEntries(Object.entries(outputs).map(([name, { value, secret }]) => [name, secret ? "[secret]" : value]));

/**
 * Verifies the host after an update. The stack itself proves a lockdown only when its declaration has changed, not when it removed
 * a rule that was added in the console (drift). Two requests, and only if something was updated.
 * @throws UserError with what is not as declared
 */
async function proveUpdated({ layout, host, environment, progress }: UpRequest, changes: Record<string, number>) {
  if ((changes["update"] ?? 0) + (changes["replace"] ?? 0) === 0) return;
  const signal = new AbortController().signal;
  const { ok, wrong, exitCode } = await verifyHost({ layout, host, environment, signal });
  if (!ok) {
    const problem = "the host is not as declared after the update.";
    throw new UserError({ subject: host, problem }, { exitCode, details: wrong });
  }
  progress(`${host}: verified after the update`);
}
