import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../errors.ts";
import { exitCodes } from "../exit-codes.ts";
import { answerOf, type Hetzner } from "./client.ts";

interface Action {
  id: number;
  status: "running" | "success" | "error";
  error: { code: string; message: string } | null;
}

/**
 * Waits until every action has succeeded. The pauses grow from 0.4 s to 3 s: a firewall takes well under a second, and
 * every look counts against 3600 an hour.
 * @param what the work, for the messages: `open the window`
 * @throws UserError when one fails or the time is up
 */
export async function waitForActions(
  hetzner: Hetzner,
  actions: readonly Action[],
  { what, timeoutSeconds, signal }: { what: string; timeoutSeconds: number; signal?: AbortSignal },
): Promise<void> {
  const deadline = performance.now() + timeoutSeconds * 1000;
  let pending = actions;
  for (let pauseMs = 400; ; pauseMs = Math.min(pauseMs * 1.7, 3000)) {
    for (const { error } of pending.filter(({ status }) => status === "error")) {
      throw new UserError(
        `Hetzner could not ${what}: ${error?.message ?? "no reason given"} (${error?.code ?? "unknown"}).`,
        {
          exitCode: exitCodes.api,
        },
      );
    }
    pending = pending.filter(({ status }) => status === "running");
    if (pending.length === 0) return;
    if (performance.now() > deadline) {
      throw new UserError(`Hetzner did not ${what} within ${timeoutSeconds} s; run the same command again.`, {
        exitCode: exitCodes.api,
      });
    }
    await sleep(pauseMs, undefined, signal ? { signal } : {});
    // The listing without ids was removed on 2025-01-30: ids are not optional.
    const query = { id: pending.map(({ id }) => id) };
    pending = (await answerOf(what, hetzner.GET("/actions", { params: { query } }))).actions;
  }
}
