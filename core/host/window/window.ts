import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import pRetry from "p-retry";
import { UserError } from "../../base/errors.ts";
import { waitForActions } from "../../base/hetzner/actions.ts";
import { answerOf, type Hetzner, withoutRetries } from "../../base/hetzner/client.ts";
import { HetznerApiError } from "../../base/hetzner/errors.ts";
import { allFirewalls } from "../../base/hetzner/pages.ts";

/** Label that marks a window; its value is the host. Nothing else has it. */
export const windowLabel = "clawdlets-window";
/** Label whose value is the run that opened it. */
export const runLabel = "clawdlets-run";
/** Label with the time by which it must be closed, in seconds since 1970; a window that is kept open on purpose has none. */
export const untilLabel = "clawdlets-until";

/** A separate firewall that lets the admin networks reach TCP/22 of one server for a while. */
export interface Window {
  firewallId: number;
  host: string;
  /** Servers that it is attached to. */
  serverIds: number[];
  /** True if it has an inbound rule. */
  open: boolean;
  /** Networks that it lets in, as Hetzner writes them. */
  cidrs: string[];
  /** When it must be closed; undefined if it is kept open on purpose, until `clawdlets lockdown`. */
  until?: Date;
}

/** A new id for a run. A run has one window at a time. */
export const newRun = () => randomBytes(4).toString("hex");

/** Lists the windows of one run, of one host, or of all hosts, including those that a killed run left. */
export async function findWindows(hetzner: Hetzner, host?: string, run?: string): Promise<Window[]> {
  const ofHost = host === undefined ? windowLabel : `${windowLabel}==${host}`;
  const selector = run === undefined ? ofHost : `${ofHost},${runLabel}==${run}`;
  const firewalls = await allFirewalls(hetzner, "list the bootstrap windows", selector);
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
  // An unreadable time counts as overdue, never as kept open on purpose.
  return { until: new Date(/^[0-9]{1,11}$/.test(label) ? Number(label) * 1000 : 0) };
}

/** Milliseconds that Hetzner usually needs to apply rules and to detach; sooner it answers "locked" or "in use". */
const pauses = { rules: 500, detaching: 1000 };

/**
 * Closes a window by removing its rules, which takes one quick call. If Hetzner also detaches and deletes it at once, it is
 * attached to no server, which proves more than any finished action, so we do not poll the actions. Otherwise it is closed once
 * the action that removes its rules has finished, and the rest is cleanup: Hetzner may answer `resource_in_use` for a while
 * (hetznercloud/terraform-provider-hcloud#463), which is neither "still open" nor a failure. A slow Hetzner is asked how its
 * actions are doing, instead of being asked for the next step again and again.
 * @returns how to detach and delete what is left of it, which may take as long again
 * @throws if the rules could not be removed
 */
export async function takeRules(hetzner: Hetzner, window: Window): Promise<TidyUp> {
  const what = `close the bootstrap window of ${window.host}`;
  try {
    const body = { rules: [] };
    const { actions } = await answerOf(
      what,
      hetzner.POST("/firewalls/{id}/actions/set_rules", { ...pathOf(window), body }),
    );
    await sleep(pauses.rules);
    const once = withoutRetries(hetzner);
    const detaching = await orRefused(detach(once, window));
    if (detaching) {
      await sleep(pauses.detaching);
      if (await orRefused(remove(once, window).then(() => true))) return nothingLeft;
    }
    await waitForActions(hetzner, actions, { what, timeoutSeconds: 120 });
    return (client) => tidyUp(client, window, detaching);
  } catch (error) {
    if (!isGone(error)) throw error;
    return nothingLeft;
  }
}

/** Detaches and deletes a window without rules. It opens nothing: if this fails, the next run, `doctor` or `lockdown` removes it. */
export type TidyUp = (hetzner: Hetzner) => Promise<void>;

const nothingLeft: TidyUp = () => Promise.resolve();

/** Closes a window and removes it. @throws if its rules could not be removed */
export async function closeWindow(hetzner: Hetzner, window: Window): Promise<void> {
  const tidy = await takeRules(hetzner, window);
  await tidy(hetzner);
}

type Actions = Parameters<typeof waitForActions>[1];

async function tidyUp(hetzner: Hetzner, window: Window, detaching: Actions | undefined): Promise<void> {
  const detachAndRemove = async () => {
    const actions = detaching ?? (await detach(hetzner, window));
    await waitForActions(hetzner, actions, { what: tidying(window), timeoutSeconds: 60 });
    await pRetry(() => remove(hetzner, window), {
      retries: 3,
      minTimeout: 1500,
      factor: 3,
      shouldRetry: ({ error }) => error instanceof HetznerApiError && error.code === "resource_in_use",
    });
  };
  try {
    await orRefused(detachAndRemove());
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

/** @returns the actions to wait for until it is detached from every server */
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

/** Error codes for a window that is already detached. */
const detachedCodes = ["firewall_already_removed", "firewall_resource_not_found"];

async function remove(hetzner: Hetzner, window: Window): Promise<void> {
  await answerOf(tidying(window), hetzner.DELETE("/firewalls/{id}", pathOf(window)));
}

/** @returns undefined if Hetzner refused or did not answer. "Not found" and bugs are still thrown. */
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

/** Closes every window of one host, whichever run opened it, or those of one run. @returns how many had rules */
export async function closeWindowsOf(hetzner: Hetzner, host: string, run?: string): Promise<number> {
  const windows = await findWindows(hetzner, host, run);
  const tidy = await takeAllRules(hetzner, windows);
  await tidy(hetzner);
  return windows.filter(({ open }) => open).length;
}

/** {@link takeRules} of several, in parallel: one failure does not keep the others open. @throws the first error */
export async function takeAllRules(hetzner: Hetzner, windows: readonly Window[]): Promise<TidyUp> {
  const results = await Promise.allSettled(windows.map((window) => takeRules(hetzner, window)));
  const tidyUps = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  const failed = results.find(({ status }) => status === "rejected");
  if (failed?.status === "rejected") throw failed.reason;
  return async (client) => void (await Promise.all(tidyUps.map((tidy) => tidy(client))));
}

function isGone(error: unknown): boolean {
  return error instanceof HetznerApiError && error.code === "not_found";
}
