import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "./errors.ts";
import { exitCodes } from "./exit-codes.ts";

export interface PollOptions {
  /** Time limit; an attempt that is running when it ends still counts. */
  seconds: number;
  /** Pause between the end of one attempt and the start of the next. */
  pauseMs: number;
  /** Pauses grow up to this, by a factor of 1.7. @default `pauseMs`: they do not grow */
  longestPauseMs?: number;
  /** Stops waiting at once and throws. */
  signal?: AbortSignal | undefined;
}

/**
 * Calls `attempt` until it returns something.
 * @returns undefined on timeout
 * @throws whatever `attempt` throws, and if the signal is aborted
 */
export async function poll<T>(
  attempt: () => Promise<T | undefined>,
  { seconds, pauseMs, longestPauseMs = pauseMs, signal }: PollOptions,
): Promise<T | undefined> {
  const deadline = performance.now() + seconds * 1000;
  for (let pause = pauseMs; ; pause = Math.min(pause * 1.7, longestPauseMs)) {
    signal?.throwIfAborted();
    const result = await attempt();
    if (result !== undefined || performance.now() >= deadline) return result;
    await sleep(pause, undefined, signal ? { signal } : {});
  }
}

/**
 * Calls `attempt` until it returns something.
 * @param waitedFor completes "… within 300 s", e.g. `web-1: no SSH on 203.0.113.7:22`
 * @param advice a sentence that says what to do then
 * @throws UserError on timeout, and whatever `attempt` throws
 */
export async function waitUntil<T>(
  attempt: () => Promise<T | undefined>,
  { waitedFor, advice, ...options }: PollOptions & { waitedFor: string; advice: string },
): Promise<T> {
  const result = await poll(attempt, options);
  if (result !== undefined) return result;
  throw new UserError(`${waitedFor} within ${options.seconds} s. ${advice}`, { exitCode: exitCodes.install });
}
