import { UserError } from "../errors.ts";
import { exitCodes } from "../exit-codes.ts";
import { poll } from "../wait-until.ts";
import { answerOf, type Hetzner } from "./client.ts";

interface Action {
  id: number;
  status: "running" | "success" | "error";
  error: { code: string; message: string } | null;
}

/**
 * Waits until every action has succeeded. The pauses grow from 0.4 s to 8 s: a firewall usually takes well under a
 * second, and every poll counts against Hetzner's limit of 3600 requests an hour.
 * @param what completes "Hetzner could not …", e.g. `open the window`
 * @throws UserError when one fails, Hetzner does not list one, or the time is up
 */
export async function waitForActions(
  hetzner: Hetzner,
  actions: readonly Action[],
  { what, timeoutSeconds, signal }: { what: string; timeoutSeconds: number; signal?: AbortSignal },
): Promise<void> {
  let pending = actions;
  let isFirst = true;
  const look = async () => {
    // The listing without ids was removed on 2025-01-30: ids are not optional.
    if (!isFirst) pending = await readAgain(hetzner, what, pending);
    isFirst = false;
    for (const { error } of pending.filter(({ status }) => status === "error")) {
      throw new UserError(
        `Hetzner could not ${what}: ${error?.message ?? "no reason given"} (${error?.code ?? "unknown"}).`,
        {
          exitCode: exitCodes.api,
        },
      );
    }
    pending = pending.filter(({ status }) => status === "running");
    return pending.length === 0 ? true : undefined;
  };
  if (await poll(look, { seconds: timeoutSeconds, pauseMs: 400, longestPauseMs: 8000, signal })) return;
  throw new UserError(`Hetzner did not ${what} within ${timeoutSeconds} s. Run the same command again.`, {
    exitCode: exitCodes.api,
  });
}

/** Actions per request, as in hcloud-go 2.47.0 (`ActionClient.WaitForFunc`): Hetzner lists 25 entries unless it is asked for more. */
const batch = 25;

async function readAgain(hetzner: Hetzner, what: string, actions: readonly Action[]): Promise<Action[]> {
  const read: Action[] = [];
  for (let from = 0; from < actions.length; from += batch) {
    const query = { id: actions.slice(from, from + batch).map(({ id }) => id) };
    read.push(...(await answerOf(what, hetzner.GET("/actions", { params: { query } }))).actions);
  }
  // Like hcloud-go's waiter: an action without a status proves nothing.
  const unlisted = actions.filter(({ id }) => !read.some((each) => each.id === id));
  if (unlisted.length > 0) {
    const ids = unlisted.map(({ id }) => id).join(", ");
    const problem = `Nothing shows that Hetzner could ${what}: it does not list the action ${ids}. Run the same command again.`;
    throw new UserError(problem, { exitCode: exitCodes.api });
  }
  return read;
}
