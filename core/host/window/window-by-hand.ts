import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { answerOf, type Hetzner } from "../../base/hetzner/client.ts";
import { selectorOf } from "../../base/hetzner/labels.ts";
import { cidrProblem } from "../../project/firewall/cidr.ts";
import { worldOpenSshReason } from "../../project/firewall/opens-ssh.ts";
import type { HostLayout } from "../../project/layout.ts";
import type { Access } from "../../project/settings/access.ts";
import { startGuard } from "./guard.ts";
import { openWindow } from "./open-window.ts";
import { closeWindowsOf, newRun, type Window } from "./window.ts";
import { noteWindow } from "./window-journal.ts";

export interface HandRequest {
  host: string;
  files: HostLayout;
  access: Access;
  /** Minutes until its guard closes it. */
  minutes: number;
  /** Whom it lets in. @default the admin networks of stack.json */
  cidrs?: readonly string[] | undefined;
}

/**
 * Opens TCP/22 of a host for a while, for the operator whose address has changed or who has to look into a stuck
 * installation. A guard of its own closes it at the deadline though this process has ended; so do `window close`,
 * `lockdown` and the next `up`. OPENS A PORT.
 * @throws UserError before anything is opened, for networks that are none or are the world, or where there is no server
 */
export async function openByHand(hetzner: Hetzner, request: HandRequest): Promise<Window> {
  const { host, files, access, minutes } = request;
  const cidrs = checkedCidrs(request);
  const serverId = await serverOf(hetzner, host);
  const run = newRun();
  const deadlineSeconds = minutes * 60;
  const until = new Date(Date.now() + deadlineSeconds * 1000);
  const order = { host, run, endpoint: access.endpoint, deadlineSeconds, journal: files.windows, outlivesParent: true };
  const guard = await startGuard(order, access.token, files.logs);
  noteWindow(files.windows, { event: "opening", run, by: "window", cidrs, until: until.toISOString() });
  try {
    const window = await openWindow(hetzner, { host, serverId, installId: "none", run, until, adminCidrs: cidrs });
    noteWindow(files.windows, { event: "open", run, by: "window" });
    guard.leave();
    return window;
  } catch (error) {
    // Half opened, perhaps: closed now, or by the guard if even that fails.
    const closed = await closeWindowsOf(hetzner, host, run).catch(() => undefined);
    if (closed === undefined) guard.takeOver();
    else await guard.dismiss();
    throw error;
  }
}

function checkedCidrs({ host, access, cidrs = access.adminCidrs }: HandRequest): string[] {
  const refuse = (message: string) => new UserError(`${host}: ${message}`, { exitCode: exitCodes.usage });
  if (cidrs === undefined || cidrs.length === 0) {
    throw refuse("stack.json does not say who may come in. Name your own network: --cidr 203.0.113.7/32");
  }
  for (const cidr of cidrs) {
    const problem = cidrProblem(cidr);
    if (problem) throw refuse(`--cidr: ${problem}.`);
  }
  const rule = { direction: "in", protocol: "tcp", port: "22", source_ips: cidrs } as const;
  const world = worldOpenSshReason([rule]);
  if (world) throw refuse(`${cidrs.join(", ")} ${world}. Name your own network: --cidr 203.0.113.7/32`);
  return [...cidrs];
}

async function serverOf(hetzner: Hetzner, host: string): Promise<number> {
  const query = { label_selector: selectorOf(host) };
  const { servers } = await answerOf(`look for the server ${host}`, hetzner.GET("/servers", { params: { query } }));
  const [server, ...more] = servers;
  if (server && more.length === 0) return server.id;
  const what = server
    ? `${servers.length} servers with its labels (${servers.map(({ id }) => id).join(", ")})`
    : "none";
  throw new UserError(
    `${host}: Hetzner has ${what}. See "clawdlets doctor --scope deploy"; a host that is not there yet: clawdlets up --host ${host}`,
    { exitCode: exitCodes.failed },
  );
}
