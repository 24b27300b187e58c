import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import pRetry from "p-retry";
import { UserError } from "../../base/errors.ts";
import { waitForActions } from "../../base/hetzner/actions.ts";
import { answerOf, type Hetzner } from "../../base/hetzner/client.ts";
import { HetznerApiError } from "../../base/hetzner/errors.ts";

/** Label that marks a window; its value is the host. Nothing else carries it. */
export const windowLabel = "clawdlets-window";
/** Label whose value is the run that opened it. */
export const runLabel = "clawdlets-run";
/** Label whose value is when it has to be closed, in seconds since 1970; a window that is kept open on purpose has none. */
export const untilLabel = "clawdlets-until";

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

/** Milliseconds that rules and a detaching take at a quiet Hetzner; asked earlier, the answer is "locked" or "in use". */
const pauses = { rules: 500, detaching: 1000 };

/**
 * Closes a window. First its rules are taken away, which is one call and quick; then it is detached and deleted. One that
 * Hetzner let be deleted is on no server, which says more than any action's end, so no action is asked for then. Otherwise it
 * is closed when the action that takes its rules away has ended, and the rest is tidying: Hetzner may answer `resource_in_use`
 * for a while (hetznercloud/terraform-provider-hcloud#463), which is neither "still open" nor a failure.
 * @throws when the rules could not be taken away
 */
export async function closeWindow(hetzner: Hetzner, window: Window): Promise<void> {
  const what = `close the bootstrap window of ${window.host}`;
  try {
    const body = { rules: [] };
    const { actions } = await answerOf(
      what,
      hetzner.POST("/firewalls/{id}/actions/set_rules", { ...pathOf(window), body }),
    );
    await sleep(pauses.rules);
    const detaching = await orRefused(detach(hetzner, window));
    if (detaching) {
      await sleep(pauses.detaching);
      if (await orRefused(remove(hetzner, window).then(() => true))) return;
    }
    await waitForActions(hetzner, actions, { what, timeoutSeconds: 120 });
    // An empty window opens nothing; if this fails, the next run, `doctor` or `lockdown` takes it away.
    await orRefused(tidyUp(hetzner, window, detaching));
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

type Actions = Parameters<typeof waitForActions>[1];

async function tidyUp(hetzner: Hetzner, window: Window, detaching: Actions | undefined): Promise<void> {
  const actions = detaching ?? (await detach(hetzner, window));
  await waitForActions(hetzner, actions, { what: tidying(window), timeoutSeconds: 60 });
  await pRetry(() => remove(hetzner, window), {
    retries: 6,
    minTimeout: 300,
    shouldRetry: ({ error }) => error instanceof HetznerApiError && error.code === "resource_in_use",
  });
}

/** @returns what has to end until it is on no server */
async function detach(hetzner: Hetzner, window: Window): Promise<Actions> {
  const remove_from = window.serverIds.map((id) => ({ type: "server" as const, server: { id } }));
  if (remove_from.length === 0) return [];
  const call = hetzner.POST("/firewalls/{id}/actions/remove_from_resources", {
    ...pathOf(window),
    body: { remove_from },
  });
  try {
    return (await answerOf(tidying(window), call)).actions;
  } catch (error) {
    if (error instanceof HetznerApiError && detachedCodes.includes(error.code)) return [];
    throw error;
  }
}

/** What Hetzner says of one that an earlier try has detached. */
const detachedCodes = ["firewall_already_removed", "firewall_resource_not_found"];

async function remove(hetzner: Hetzner, window: Window): Promise<void> {
  await answerOf(tidying(window), hetzner.DELETE("/firewalls/{id}", pathOf(window)));
}

/** Undefined for what Hetzner refused or did not answer. That it is gone is no refusal, and a bug is not hidden. */
async function orRefused<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (!(error instanceof UserError) || isGone(error)) throw error;
    return undefined;
  }
}

const tidying = ({ host }: Window) => `tidy up the closed window of ${host}`;
const pathOf = ({ firewallId }: Window) => ({ params: { path: { id: firewallId } } });

/** Closes every window of one host, whoever left it, or those of one run. @returns how many had rules */
export async function closeWindowsOf(hetzner: Hetzner, host: string, run?: string): Promise<number> {
  const windows = await findWindows(hetzner, host, run);
  await closeWindows(hetzner, windows);
  return windows.filter(({ open }) => open).length;
}

/** Closes them side by side: one that cannot be closed keeps no other one open. @throws the first one's reason */
export async function closeWindows(hetzner: Hetzner, windows: readonly Window[]): Promise<void> {
  const results = await Promise.allSettled(windows.map((window) => closeWindow(hetzner, window)));
  const failed = results.find(({ status }) => status === "rejected");
  if (failed?.status === "rejected") throw failed.reason;
}

function isGone(error: unknown): boolean {
  return error instanceof HetznerApiError && error.code === "not_found";
}
