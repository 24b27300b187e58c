import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { waitForActions } from "../../base/hetzner/actions.ts";
import { answerOf, type Hetzner } from "../../base/hetzner/client.ts";
import { HetznerApiError } from "../../base/hetzner/errors.ts";
import { poll } from "../../base/wait-until.ts";
import type { Server } from "./type-change.ts";

/** Seconds. Changing a type copies the disk, which takes longest. */
const limits = { settle: 600, powerOn: 120 };

/** Transient states: they end on their own, and the server accepts no other action until then. */
const passing: readonly string[] = ["initializing", "starting", "stopping", "migrating", "rebuilding"];

/** @returns undefined if Hetzner does not have the server, or no longer has it */
export async function findServer(hetzner: Hetzner, id: number): Promise<Server | undefined> {
  try {
    const params = { params: { path: { id } } };
    return (await answerOf("read the server", hetzner.GET("/servers/{id}", params))).server;
  } catch (error) {
    if (error instanceof HetznerApiError && error.code === "not_found") return undefined;
    throw error;
  }
}

/**
 * Waits for a transient state to end, and switches the server on if it is off: a refused change of its type, or a rebuild that
 * failed halfway, leaves it off.
 * @returns true if it was off
 * @throws UserError (api) if it does not settle or start in time
 */
export async function ensureOn(hetzner: Hetzner, server: Server, signal?: AbortSignal): Promise<boolean> {
  const settled = await settle(hetzner, server, signal);
  if (settled?.status !== "off") return false;
  const what = `switch the server ${server.name} on`;
  const params = { params: { path: { id: server.id } } };
  const { action } = await answerOf(what, hetzner.POST("/servers/{id}/actions/poweron", params));
  await waitForActions(hetzner, [action], { what, timeoutSeconds: limits.powerOn, ...(signal && { signal }) });
  return true;
}

async function settle(hetzner: Hetzner, server: Server, signal?: AbortSignal): Promise<Server | undefined> {
  if (!passing.includes(server.status)) return server;
  let seen: Server | undefined = server;
  const look = async () => {
    seen = await findServer(hetzner, server.id);
    return seen && passing.includes(seen.status) ? undefined : { server: seen };
  };
  const settled = await poll(look, { seconds: limits.settle, pauseMs: 500, longestPauseMs: 5000, signal });
  if (settled) return settled.server;
  throw new UserError(
    {
      subject: "",
      problem: `The server ${server.name} is still ${seen.status} after ${limits.settle} s.`,
      fix: "Check it in the Hetzner console, then run the same command again.",
    },
    { exitCode: exitCodes.api },
  );
}

/** Describes a server that is not running, in one sentence. */
export const notRunning = (host: string, status: string): string =>
  `the server is ${status}, not running${status === "off" ? `. Switch it on: clawdlets up --host ${host}` : ""}`;
