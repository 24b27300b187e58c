import { setTimeout as sleep } from "node:timers/promises";
import { messageOf, UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { takeHostLock } from "../../base/machine/file-lock.ts";
import { Deadline } from "./deadline.ts";
import { log, pauses } from "./guarding.ts";

/** Seconds. A command that holds a host's lock ends before. */
const patience = 3600;

/**
 * Cleans up after a killed run under its host's lock: without it, a guard would remove what the next run has just staged, or end that
 * run's journal. Waits for other commands, and logs why it did not clean up.
 * @param isLeft whether there is still something of the killed run. Asked again under the lock
 */
export async function cleanUp(
  { host, lock }: { host: string; lock: string },
  isLeft: () => boolean,
  work: () => void | Promise<void>,
): Promise<void> {
  const giveUp = new Deadline(patience);
  try {
    while (isLeft()) {
      const release = await takeIfFree(lock, host);
      if (release === undefined) {
        if (giveUp.remainingMs === 0) return log(`could not clean up within ${patience} s`);
        await sleep(pauses.first);
        continue;
      }
      try {
        if (isLeft()) await work();
        return;
      } finally {
        await release();
      }
    }
  } catch (error) {
    log(`could not clean up: ${messageOf(error)}`);
  }
}

/** @returns undefined if another command still holds it after some seconds */
async function takeIfFree(lock: string, host: string): Promise<(() => Promise<void>) | undefined> {
  try {
    return await takeHostLock(lock, host, () => undefined);
  } catch (error) {
    if (!(error instanceof UserError) || error.exitCode !== exitCodes.busy) throw error;
    log(`another command works on the host, cleaning up after it: ${messageOf(error)}`);
    return undefined;
  }
}
