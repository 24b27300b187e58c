import { rmSync, statSync } from "node:fs";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { type LockOptions, lock } from "proper-lockfile";
import { z } from "zod";
import { hasCode, UserError } from "../errors.ts";
import { exitCodes } from "../exit-codes.ts";
import { parseJson } from "../text/json.ts";
import { type PollOptions, poll } from "../wait-until.ts";
import { isAlive } from "./alive.ts";
import { makePrivateFolder, readPrivateFile, removePrivateFile, writePrivateFileSync } from "./private-files.ts";

/** A lock is stale if its holder has not refreshed it for this long: the holder was killed. */
const staleMs = 10_000;

const holder = z.object({
  pid: z.number(),
  since: z.string(),
  command: z.string(),
  /** Host name of the machine or container; missing in files of an earlier version. */
  machine: z.string().optional(),
});

/** The process that holds a lock. */
export type LockHolder = z.infer<typeof holder>;

const holderFile = (path: string) => `${path}.holder`;

/** Records who holds the lock, for the error message of other processes; the lock itself only has a timestamp. */
function sayWhoHolds(path: string): void {
  const command = ["clawdlets", ...process.argv.slice(2)].join(" ");
  const found: LockHolder = { pid: process.pid, since: new Date().toISOString(), command, machine: hostname() };
  writePrivateFileSync(holderFile(path), JSON.stringify(found));
}

/**
 * Locks of this process. If it ends while it has them, {@link removeHeld} removes them: the library's own way is undone by a second version
 * of signal-exit, which takes back the first one's hooks (write-file-atomic brings 4, proper-lockfile 3.0.7).
 */
const held = new Set<string>();

function removeHeld(): void {
  for (const path of held) {
    try {
      rmSync(holderFile(path), { force: true });
      rmSync(`${path}.lock`, { recursive: true, force: true });
    } catch {
      // On a disk that has become read-only, for example: it is stale in a few seconds.
    }
  }
}

function hold(path: string): void {
  if (held.size === 0) process.once("exit", removeHeld);
  held.add(path);
}

function letGo(path: string): void {
  held.delete(path);
  if (held.size === 0) process.off("exit", removeHeld);
}

function readHolder(path: string): LockHolder | undefined {
  const text = readPrivateFile(holderFile(path));
  return text === undefined ? undefined : holder.safeParse(parseJson(text)).data;
}

/**
 * The process that holds a lock, if it is alive. One on another machine or in another container cannot be checked directly:
 * it counts as alive while it refreshes the lock.
 * @returns undefined if nobody holds it, including right after its holder was killed
 */
export async function lockHolder(path: string): Promise<LockHolder | undefined> {
  const found = readHolder(path);
  if (found === undefined) return undefined;
  if (found.machine !== undefined && found.machine !== hostname()) return isFresh(path) ? found : undefined;
  return (await isAlive(found.pid, found.since)) ? found : undefined;
}

function isFresh(path: string): boolean {
  const stat = statSync(`${path}.lock`, { throwIfNoEntry: false });
  return stat !== undefined && Date.now() - stat.mtimeMs < staleMs;
}

/** `clawdlets install --host web-1 (process 123, since 2026-…)`, or a generic name if the file is missing. */
function whoHolds(path: string): string {
  const found = readHolder(path);
  return found ? `${found.command} (process ${found.pid}, since ${found.since})` : "another clawdlets";
}

/**
 * Runs `work` while holding the lock on `path`; waits up to a minute for it.
 * @param busy follows a sentence that names the holder, and says what to do
 * @throws UserError (busy) if another process still holds it after that
 */
export async function withFileLock<T>(path: string, work: () => Promise<T>, busy?: string): Promise<T> {
  makePrivateFolder(dirname(path));
  const patience = { seconds: 60, pauseMs: 50, longestPauseMs: 1500 };
  const release = await taken(path, lockWhenFree(path, { realpath: false, stale: staleMs }, patience), busy);
  try {
    return await work();
  } finally {
    await release();
  }
}

/** Does not use the library's own retries: they would also retry a read-only or full disk, for a minute. */
async function lockWhenFree(path: string, options: LockOptions, patience: PollOptions): Promise<Release> {
  let refusal: unknown;
  // Another process may have it by now.
  const onCompromised = (error: Error) => {
    letGo(path);
    if (options.onCompromised) return options.onCompromised(error);
    throw error;
  };
  const release = await poll(async () => {
    try {
      return await lock(path, { ...options, onCompromised });
    } catch (error) {
      if (!hasCode(error, "ELOCKED")) throw error;
      refusal = error;
      return undefined;
    }
  }, patience);
  if (!release) throw refusal;
  return release;
}

type Release = () => Promise<void>;

async function taken(path: string, locking: Promise<Release>, busy = "Wait for it to finish."): Promise<Release> {
  try {
    const release = await locking;
    hold(path);
    sayWhoHolds(path);
    return async () => {
      await removePrivateFile(holderFile(path));
      letGo(path);
      await release();
    };
  } catch (error) {
    if (!hasCode(error, "ELOCKED")) throw error;
    throw new UserError(`${whoHolds(path)} is running on this machine (${path}.lock). ${busy}`, {
      exitCode: exitCodes.busy,
      cause: error,
    });
  }
}

/**
 * Takes the lock of one host for a whole installation, or throws after some seconds and names the holder.
 * @param onLost called when the lock was lost, e.g. after the machine slept: stop, because another process may be running
 */
export async function takeHostLock(
  path: string,
  host: string,
  onLost: (error: Error) => void,
): Promise<() => Promise<void>> {
  makePrivateFolder(dirname(path));
  const options = { realpath: false, stale: staleMs, update: staleMs / 4, onCompromised: onLost };
  // Longer than the lock of a killed process takes to become stale, so that running the command again just works.
  const locking = lockWhenFree(path, options, { seconds: 12, pauseMs: 500 });
  return taken(path, locking, `It is working on ${host}. Wait for it to finish, then run the same command again.`);
}
