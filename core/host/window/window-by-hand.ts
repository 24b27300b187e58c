import { join } from "node:path";
import { messageOf, UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import type { Hetzner } from "../../base/hetzner/client.ts";
import { HetznerApiError } from "../../base/hetzner/errors.ts";
import { selectorOf } from "../../base/hetzner/labels.ts";
import { allServers } from "../../base/hetzner/pages.ts";
import { cidrProblem } from "../../project/firewall/cidr.ts";
import { worldOpenSshReason } from "../../project/firewall/opens-ssh.ts";
import type { HostLayout } from "../../project/layout.ts";
import type { Access } from "../../project/settings/access.ts";
import { type Closed, type Closing, closeAndProve, closingWork } from "./close-and-prove.ts";
import { type Guard, startGuard } from "./guard.ts";
import { openWindow } from "./open-window.ts";
import { newRun, type Window } from "./window.ts";
import { noteWindow } from "./window-journal.ts";

export interface HandRequest {
  host: string;
  files: HostLayout;
  access: Access;
  /** Minutes until its guard closes it. */
  minutes: number;
  /** Networks that it lets in. @default the admin networks of stack.json */
  cidrs?: readonly string[] | undefined;
}

/**
 * Opens TCP/22 of a host for a while, for an operator whose address has changed or who has to inspect a stuck installation.
 * Its guard closes it at the deadline even after this process has ended; so do `window close`, `lockdown` and the next `up`.
 * OPENS A PORT.
 * @throws UserError before anything is opened, if a network is invalid or covers the internet, or if there is no server
 */
export async function openByHand(hetzner: Hetzner, request: HandRequest): Promise<Window> {
  const { window, guard } = await openGuarded(hetzner, request);
  guard.leave();
  return window;
}

/**
 * Opens TCP/22 of a host while `work` runs, then closes it and tries to connect. The guard closes it if this process dies, at
 * the deadline, or if closing fails here. OPENS A PORT.
 * @param signal aborted when this process is asked to end, which leaves less time for closing
 * @param onClosed called once the port is proven closed, whether `work` failed or not
 * @throws UserError (open) if it is not proven closed, with the error of `work` in its details
 */
export async function whileOpen<T>(
  hetzner: Hetzner,
  request: HandRequest & { signal: AbortSignal; onClosed?: (closed: Closed) => void },
  work: (window: Window) => Promise<T>,
): Promise<{ result: T; closed: Closed }> {
  const { files, signal } = request;
  const { window, guard, closing } = await openGuarded(hetzner, request);
  let ending: { result: T } | { failure: unknown };
  try {
    ending = { result: await work(window) };
  } catch (failure) {
    ending = { failure };
  }
  const closed = await closeOrHandOver(request, closing, guard, signal).catch((error: unknown) => {
    throw new UserError(`${messageOf(error)} The guard keeps trying to close it: ${join(files.logs, "guard.log")}`, {
      exitCode: exitCodes.open,
      details: [
        "failure" in ending
          ? `Before that: ${messageOf(ending.failure)}`
          : "The work that it was opened for succeeded.",
      ],
      cause: error,
    });
  });
  request.onClosed?.(closed);
  noteWindow(files.windows, { event: "closed", run: closing.run, by: "window" });
  if ("failure" in ending) throw ending.failure;
  return { result: ending.result, closed };
}

async function openGuarded(hetzner: Hetzner, request: HandRequest) {
  const { host, files, access, minutes } = request;
  const { endpoint, token, sshPort } = access;
  const cidrs = checkedCidrs(request);
  const serverId = await serverOf(hetzner, host);
  const closing = { host, run: newRun(), serverId, sshPort };
  const deadlineSeconds = minutes * 60;
  const until = new Date(Date.now() + deadlineSeconds * 1000);
  const guard = await startGuard({ ...closing, endpoint, deadlineSeconds, journal: files.windows }, token, files.logs);
  const { run } = closing;
  noteWindow(files.windows, { event: "opening", run, by: "window", cidrs, until: until.toISOString() });
  try {
    const window = await openWindow(hetzner, { host, serverId, installId: "none", run, until, adminCidrs: cidrs });
    noteWindow(files.windows, { event: "open", run, by: "window" });
    return { window, guard, closing };
  } catch (error) {
    // It may be open in part. If the request for it got no answer, it may still appear: the guard then keeps checking.
    if (!(error instanceof HetznerApiError)) guard.takeOver();
    else await closeOrHandOver(request, closing, guard).catch(() => undefined); // The guard keeps trying and logs it.
    throw error;
  }
}

/** @throws UserError if it is not proven closed in time; the guard then keeps trying */
async function closeOrHandOver(
  { host, access }: HandRequest,
  closing: Closing,
  guard: Guard,
  stop?: AbortSignal,
): Promise<Closed> {
  const { hetzner, ...work } = closingWork(access, host, stop);
  try {
    const closed = await closeAndProve(hetzner, { ...closing, ...work });
    await guard.dismiss();
    return closed;
  } catch (error) {
    guard.takeOver();
    throw error;
  }
}

function checkedCidrs({ host, access, cidrs = access.adminCidrs }: HandRequest): string[] {
  const refuse = (message: string) => new UserError({ subject: host, problem: message }, { exitCode: exitCodes.usage });
  if (cidrs === undefined || cidrs.length === 0) {
    throw refuse("stack.json names no admin network. Pass your own network: --cidr 203.0.113.7/32");
  }
  for (const cidr of cidrs) {
    const problem = cidrProblem(cidr);
    if (problem) throw refuse(`--cidr: ${problem}.`);
  }
  const rule = { direction: "in", protocol: "tcp", port: "22", source_ips: cidrs } as const;
  const world = worldOpenSshReason([rule]);
  if (world) throw refuse(`${cidrs.join(", ")} ${world}. Pass your own network: --cidr 203.0.113.7/32`);
  return [...cidrs];
}

async function serverOf(hetzner: Hetzner, host: string): Promise<number> {
  const servers = await allServers(hetzner, `look for the server ${host}`, selectorOf(host));
  const [server, ...more] = servers;
  if (server && more.length === 0) return server.id;
  const what = server
    ? `${servers.length} servers with this host's labels (${servers.map(({ id }) => id).join(", ")})`
    : "no server for this host";
  throw new UserError(
    {
      subject: host,
      problem: `Hetzner has ${what}.`,
      fix: `See "clawdlets doctor --scope deploy"; to create the host: clawdlets up --host ${host}`,
    },
    { exitCode: exitCodes.failed },
  );
}
