import { setTimeout as sleep } from "node:timers/promises";
import { messageOf, UserError } from "../../core/base/errors.ts";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { createHetzner, type Hetzner } from "../../core/base/hetzner/client.ts";
import { standingOf, tidyInterrupted } from "../../core/host/install/interrupted.ts";
import { endKilled } from "../../core/host/journal.ts";
import { closeAndProve, closedInWords, closingWork } from "../../core/host/window/close-and-prove.ts";
import { findWindows } from "../../core/host/window/window.ts";
import { noteWindow } from "../../core/host/window/window-journal.ts";
import { hostLayoutOf, type Layout } from "../../core/project/layout.ts";
import { type HostSettings, keepsWindow, type LocalSettings } from "../../core/project/settings/host.ts";

export interface Recovery {
  layout: Layout;
  host: string;
  settings: HostSettings;
  local: Pick<LocalSettings, "endpoint" | "token" | "sshPort">;
  /** Whether the host is about to be destroyed: then nobody needs it switched on. */
  removing?: boolean;
  tell: (text: string) => void;
}

/** Seconds: until an installation without its engine has stopped, and until the guard of a killed one has tidied up. */
const limits = { running: 60, closing: 90 };

/**
 * Waits until no process of an installation is left. It may outlive its engine: a killed one takes nobody with it, and Pulumi's
 * command plugin kills the command alone.
 * @returns whether it was killed together with its guard, so that its traces are still there
 * @throws UserError (busy, or open) when it still goes on after the limit, or was started by hand
 */
export async function waitForInstallation({ layout, host, tell }: Recovery): Promise<boolean> {
  const files = hostLayoutOf(layout, host);
  const startedAt = performance.now();
  for (let said: string | undefined; ; ) {
    const standing = await standingOf(files);
    if (standing.kind !== "running" && standing.kind !== "closing") return standing.kind === "interrupted";
    const isLate = performance.now() - startedAt > limits[standing.kind] * 1000;
    if (standing.kind === "running") {
      const { command, pid, since } = standing.holder;
      const who = `${host}: ${command} (process ${pid}, since ${since})`;
      if (isLate || command.includes("--resume")) {
        throw new UserError(
          {
            subject: "",
            problem: `${who} is still installing.`,
            fix: "Wait for it to finish, then run the same command again.",
          },
          {
            exitCode: exitCodes.busy,
          },
        );
      }
      if (said !== standing.kind) tell(`${who} outlived its engine; waiting for it to stop`);
    } else if (isLate) {
      throw new UserError(
        {
          subject: host,
          problem: `NOT CLOSED. The installation was killed, and its guard has not closed TCP/22 within ${limits.closing} s; it keeps trying: see guard.log beside the installer's log.`,
          fix: `Check from another machine: clawdlets window list --host ${host}`,
        },
        { exitCode: exitCodes.open },
      );
    } else if (said !== standing.kind)
      tell(`${host}: the installation was killed; its guard is closing TCP/22 and cleaning up`);
    said = standing.kind;
    await sleep(200);
  }
}

/**
 * Returns once nothing of the engine's installation is left: no process, no key in plain text, no open window, and no journal that
 * says "running". For the end of a command that ran the engine.
 */
export async function settleInstallation(recovery: Recovery): Promise<void> {
  if (!(await waitForInstallation(recovery))) return;
  const { layout, host, local, tell } = recovery;
  await tidyInterrupted(hostLayoutOf(layout, host), host);
  await closeLeftWindows(createHetzner({ ...local, tell: (text) => tell(`${host}: ${text}`) }), recovery);
  await markInterrupted(recovery);
}

/** The same around the command's own work, whose failure is not hidden by one of tidying up. */
export async function withInstallationSettled<T>(recovery: Recovery, work: () => Promise<T>): Promise<T> {
  let failure: unknown;
  try {
    return await work();
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    await settleInstallation(recovery).catch((error: unknown) => {
      if (!(error instanceof UserError) || failure === undefined) throw error;
      const details = [...error.details, `Before that: ${messageOf(failure)}`];
      throw new UserError(error.message, { exitCode: error.exitCode, details, cause: failure });
    });
  }
}

export async function markInterrupted({ layout, host }: Recovery): Promise<void> {
  const text = "the installation and its guard were killed; the next command removed the staged keys and closed TCP/22";
  await endKilled(hostLayoutOf(layout, host).journal, text);
}

/**
 * Closes what was left by a run whose machine is gone, or is past its deadline, and tries to connect. No other run needs it: the
 * engine has the stack's lock, and no installation is alive. A host that was never made has none, and is not asked for.
 * @throws UserError (open) when TCP/22 still answers
 */
export async function closeLeftWindows(
  hetzner: Hetzner,
  { layout, host, settings, local, tell }: Recovery,
): Promise<void> {
  const windows = await findWindows(hetzner, host);
  const left = windows.filter(({ until }) => !(keepsWindow(settings) && until === undefined));
  if (left.length === 0) return;
  const { sshPort } = local;
  const closing = closingWork(local, host);
  const closed = await closeAndProve(closing.hetzner, { host, sshPort, windows: left, time: closing.time });
  const open = left.filter((window) => window.open);
  if (open.length === 0) return;
  noteWindow(hostLayoutOf(layout, host).windows, { event: "closed", by: "up" });
  for (const { cidrs } of open) {
    tell(`${host}: a bootstrap window that was left open to ${cidrs.join(", ")} is closed; ${closedInWords(closed)}`);
  }
}
