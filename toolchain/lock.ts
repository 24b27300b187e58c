import { mkdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { lock } from "proper-lockfile";
import { type Report, ToolchainError } from "./errors.ts";
import type { ToolchainPaths } from "./paths.ts";

/** A stale lock, left by a killed set-up, is taken over after this time without a refresh. */
const staleMilliseconds = 10_000;

/** Runs the work under a lock on this folder, and reports when it has to wait. */
export async function alone<T>(
  paths: ToolchainPaths,
  { report, signal }: { report: Report; signal?: AbortSignal | undefined },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  mkdirSync(paths.work, { recursive: true });
  const lost = new AbortController();
  const release = await take(paths, report, signal, lost);
  try {
    return await work(signal ? AbortSignal.any([signal, lost.signal]) : lost.signal);
  } catch (error) {
    if (!lost.signal.aborted) throw error;
    throw new ToolchainError(
      "waiting",
      `Another set-up took over ${paths.root}, as happens when a machine sleeps. Run this again.`,
      error,
    );
  } finally {
    // A lock that was lost is no longer ours to release.
    if (!lost.signal.aborted) await release();
  }
}

async function take(paths: ToolchainPaths, report: Report, signal: AbortSignal | undefined, lost: AbortController) {
  const startedAt = Date.now();
  for (let tries = 0; ; tries++) {
    try {
      return await lock(paths.lock, { realpath: false, stale: staleMilliseconds, onCompromised: () => lost.abort() });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ELOCKED") throw error;
    }
    if (tries % 30 === 0) {
      const text = `another process is setting up ${paths.root}: waiting for it to finish`;
      report({ kind: "note", component: "lock", seconds: (Date.now() - startedAt) / 1000, text });
    }
    await sleep(1000, undefined, signal && { signal });
  }
}
