import { dirname } from "node:path";
import { lock } from "proper-lockfile";
import { hasCode, UserError } from "../errors.ts";
import { exitCodes } from "../exit-codes.ts";
import { makePrivateFolder } from "./private-files.ts";

/** A lock counts as abandoned when its holder has not refreshed it for so long: it was killed. */
const staleMs = 10_000;

/** Runs `work` while no other process has the lock on `path`; waits up to a minute for it. */
export async function withFileLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  makePrivateFolder(dirname(path));
  const release = await lock(path, {
    realpath: false,
    stale: staleMs,
    retries: { retries: 60, factor: 1.2, minTimeout: 50, maxTimeout: 1500 },
  });
  try {
    return await work();
  } finally {
    await release();
  }
}

/**
 * Takes the lock of one host for a whole installation, or says after some seconds that somebody else has it.
 * @param onLost called when the lock was taken away, e.g. after the machine slept: stop, another may be working
 */
export async function takeHostLock(
  path: string,
  host: string,
  onLost: (error: Error) => void,
): Promise<() => Promise<void>> {
  makePrivateFolder(dirname(path));
  try {
    return await lock(path, {
      realpath: false,
      stale: staleMs,
      update: staleMs / 4,
      onCompromised: onLost,
      // As long as the lock of a killed process takes to become stale, so that running the command again just works.
      retries: { retries: 24, factor: 1, minTimeout: 500 },
    });
  } catch (error) {
    if (!hasCode(error, "ELOCKED")) throw error;
    throw new UserError(
      `${host}: another clawdlets on this machine is working on this host (${path}.lock). Wait for it to end, then run this again.`,
      { exitCode: exitCodes.busy },
    );
  }
}
