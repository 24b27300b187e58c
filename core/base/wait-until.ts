import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "./errors.ts";
import { exitCodes } from "./exit-codes.ts";

/**
 * Asks `look` again and again until it hands something back.
 * @param waitedFor completes "… within 300 s", e.g. `web-1: no SSH on 203.0.113.7:22`
 * @param advice what to do then, a sentence
 * @throws UserError when the time is up, and whatever `look` throws
 */
export async function waitUntil<T>(
  look: () => Promise<T | undefined>,
  {
    seconds,
    pauseMs,
    waitedFor,
    advice,
    signal,
  }: { seconds: number; pauseMs: number; waitedFor: string; advice: string; signal: AbortSignal },
): Promise<T> {
  const deadline = performance.now() + seconds * 1000;
  for (;;) {
    signal.throwIfAborted();
    const seen = await look();
    if (seen !== undefined) return seen;
    if (performance.now() >= deadline) {
      throw new UserError(`${waitedFor} within ${seconds} s. ${advice}`, { exitCode: exitCodes.install });
    }
    await sleep(pauseMs, undefined, { signal });
  }
}
