import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import pRetry from "p-retry";
import { UserError } from "../errors.ts";
import { exitCodes } from "../exit-codes.ts";
import { waitForActions } from "../hetzner/actions.ts";
import { answerOf, type Hetzner } from "../hetzner/client.ts";
import { HetznerApiError } from "../hetzner/errors.ts";

/** Label that marks a window; its value is the host. Nothing else carries it. */
export const windowLabel = "clawdlets-window";
/** Label whose value is the run that opened it. */
const runLabel = "clawdlets-run";
/** Label whose value is when it has to be closed, in seconds since 1970; a window that is kept open on purpose has none. */
const untilLabel = "clawdlets-until";

/** A firewall of its own that lets the admin networks reach TCP/22 of one server for a while. */
export interface Window {
  firewallId: number;
  host: string;
  /** Servers it is applied to. */
  serverIds: number[];
  /** Whether any inbound rule is left. */
  open: boolean;
  /** Networks that it lets in, as Hetzner writes them. */
  cidrs: string[];
  /** When it has to be closed; none where it is kept open on purpose, until `clawdlets lockdown`. */
  until?: Date;
}

export interface WindowRequest {
  host: string;
  serverId: number;
  installId: string;
  /** Of {@link newRun}. */
  run: string;
  /** When it has to be closed at the latest; left out where it is kept open on purpose. */
  until?: Date;
  adminCidrs: readonly string[];
  signal?: AbortSignal;
}

/**
 * Opens TCP/22 of one server to the admin networks and waits until the rule is in force.
 * Firewalls on a server add up, so the declared one is not touched and never drifts. Costs nothing.
 */
export async function openWindow(hetzner: Hetzner, request: WindowRequest): Promise<Window> {
  const what = `open the bootstrap window of ${request.host}`;
  const { firewall, actions } = await answerOf(
    what,
    hetzner.POST("/firewalls", {
      body: {
        // Names are unique in a project, and an old window may still wait to be deleted; it is the label that finds them.
        name: `${request.host}-window-${request.installId}-${request.run}`,
        labels: {
          [windowLabel]: request.host,
          [runLabel]: request.run,
          "clawdlets-install": request.installId,
          ...(request.until && { [untilLabel]: String(Math.ceil(request.until.getTime() / 1000)) }),
        },
        rules: [
          {
            description: "clawdlets bootstrap window",
            direction: "in",
            protocol: "tcp",
            port: "22",
            source_ips: [...request.adminCidrs],
          },
        ],
        apply_to: [{ type: "server", server: { id: request.serverId } }],
      },
    }),
  );
  await waitForActions(hetzner, actions ?? [], {
    what,
    timeoutSeconds: 120,
    ...(request.signal && { signal: request.signal }),
  });
  // Without its id it could not be closed again: never guess one, the caller then closes whatever carries the label.
  if (!firewall)
    throw new UserError(`Hetzner did not say which firewall it made to ${what}.`, { exitCode: exitCodes.api });
  return {
    firewallId: firewall.id,
    host: request.host,
    serverIds: [request.serverId],
    open: true,
    cidrs: [...request.adminCidrs],
    ...(request.until && { until: request.until }),
  };
}

/** A name for one run, in which there is one window at a time. */
export const newRun = () => randomBytes(4).toString("hex");

/** The windows there are of one host and run, of one host, or of all; also those that a killed run left. */
export async function findWindows(hetzner: Hetzner, host?: string, run?: string): Promise<Window[]> {
  const ofHost = host === undefined ? windowLabel : `${windowLabel}==${host}`;
  const label_selector = run === undefined ? ofHost : `${ofHost},${runLabel}==${run}`;
  const { firewalls } = await answerOf(
    "list the bootstrap windows",
    hetzner.GET("/firewalls", { params: { query: { label_selector, per_page: 50 } } }),
  );
  return firewalls.map(({ id, labels, rules, applied_to }) => ({
    firewallId: id,
    host: labels?.[windowLabel] ?? "",
    serverIds: applied_to.flatMap(({ type, server }) => (type === "server" && server ? [server.id] : [])),
    open: rules.some(({ direction }) => direction === "in"),
    cidrs: rules.flatMap(({ source_ips }) => source_ips ?? []),
    ...untilOf(labels?.[untilLabel]),
  }));
}

function untilOf(label: string | undefined): { until?: Date } {
  if (label === undefined) return {};
  // One that is not ours to read is overdue at once, never kept.
  return { until: new Date(/^[0-9]{1,11}$/.test(label) ? Number(label) * 1000 : 0) };
}

/**
 * Closes a window: takes its rules away, which is one call and quick, and waits until that is in force. From then on it is
 * closed. Detaching and deleting is tidying: Hetzner may answer `resource_in_use` for a while
 * (hetznercloud/terraform-provider-hcloud#463), which is neither "still open" nor a failure.
 * @throws when the rules could not be taken away
 */
export async function closeWindow(hetzner: Hetzner, window: Window): Promise<void> {
  const { firewallId, host } = window;
  const what = `close the bootstrap window of ${host}`;
  const params = { params: { path: { id: firewallId } } };
  try {
    const { actions } = await answerOf(
      what,
      hetzner.POST("/firewalls/{id}/actions/set_rules", { ...params, body: { rules: [] } }),
    );
    await waitForActions(hetzner, actions, { what, timeoutSeconds: 120 });
  } catch (error) {
    if (isGone(error)) return;
    throw error;
  }
  await tidyUp(hetzner, window);
}

async function tidyUp(hetzner: Hetzner, { firewallId, host, serverIds }: Window): Promise<void> {
  const what = `tidy up the closed window of ${host}`;
  const params = { params: { path: { id: firewallId } } };
  try {
    const remove_from = serverIds.map((id) => ({ type: "server" as const, server: { id } }));
    if (remove_from.length > 0) {
      const body = { remove_from };
      const { actions } = await answerOf(
        what,
        hetzner.POST("/firewalls/{id}/actions/remove_from_resources", { ...params, body }),
      );
      await waitForActions(hetzner, actions, { what, timeoutSeconds: 60 });
    }
    // Asked at once, the answer is nearly always resource_in_use: a request for nothing.
    await sleep(500);
    await pRetry(() => answerOf(what, hetzner.DELETE("/firewalls/{id}", params)), {
      retries: 6,
      minTimeout: 300,
      shouldRetry: ({ error }) => error instanceof HetznerApiError && error.code === "resource_in_use",
    });
  } catch (error) {
    // An empty window opens nothing; the next run, `doctor` or `lockdown` takes it away. A bug is not hidden, though.
    if (!(error instanceof UserError)) throw error;
  }
}

/** Closes every window of one host, whoever left it, or those of one run. @returns how many had rules */
export async function closeWindowsOf(hetzner: Hetzner, host: string, run?: string): Promise<number> {
  const windows = await findWindows(hetzner, host, run);
  for (const window of windows) await closeWindow(hetzner, window);
  return windows.filter(({ open }) => open).length;
}

function isGone(error: unknown): boolean {
  return error instanceof HetznerApiError && error.code === "not_found";
}
