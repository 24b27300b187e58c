import { hostname } from "node:os";
import { isAlive } from "../../base/machine/alive.ts";
import { type LockHolder, lockHolder, takeHostLock } from "../../base/machine/file-lock.ts";
import type { HostLayout } from "../../project/layout.ts";
import { sweepStaging } from "../delivery/extra-files.ts";
import { readJournal } from "../journal.ts";
import { endLeftInstallers, sweepRunFolder } from "./installer.ts";

/**
 * State of the last installation. `running`: a process is working on it. `closing`: it was killed, and its guard is cleaning up.
 * `interrupted`: both were killed.
 */
export type Standing =
  | { kind: "none" | "done" | "failed" | "closing" | "interrupted" }
  | { kind: "running"; holder: LockHolder };

/** Each as `installation 0123 is …`. */
export const standingText: Readonly<Record<Standing["kind"], string>> = {
  none: "unknown",
  done: "done",
  failed: "failed",
  running: "running",
  closing: "killed, and its guard is cleaning up",
  interrupted: "killed",
};

/** Compares the journal with the living processes: a killed one leaves "running" in it. */
export async function standingOf(host: HostLayout): Promise<Standing> {
  const journal = readJournal(host.journal);
  if (journal === undefined) return { kind: "none" };
  if (journal.state !== "running") return { kind: journal.state };
  const { guard } = journal;
  const holder = await lockHolder(host.lock);
  const isGuarded = guard !== undefined && (await isAlive(guard.pid, guard.since));
  // A guard takes the lock to clean up after the run that it guarded. A number counts on its own machine only.
  const isGuard = isGuarded && holder?.pid === guard.pid && (holder.machine ?? hostname()) === hostname();
  if (holder && !isGuard) return { kind: "running", holder };
  return { kind: isGuarded ? "closing" : "interrupted" };
}

/**
 * Cleans up after an installation that was killed together with its guard: ends its installer and removes plain-text keys. The
 * caller handles the window and the journal.
 */
export async function tidyInterrupted(host: HostLayout, name: string): Promise<void> {
  const release = await takeHostLock(host.lock, name, () => undefined);
  try {
    await endLeftInstallers(host.bootstrapClientKey);
    sweepStaging(host.staging);
    sweepRunFolder(name, host.logs);
  } finally {
    await release();
  }
}
