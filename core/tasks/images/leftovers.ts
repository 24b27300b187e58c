import { messageOf, UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { answerOf, type Hetzner } from "../../base/hetzner/client.ts";
import { HetznerApiError } from "../../base/hetzner/errors.ts";
import { allFirewalls, allServers, allSnapshots, allSshKeys } from "../../base/hetzner/pages.ts";
import { waitUntil } from "../../base/wait-until.ts";
import { bakingLabel } from "../../host/image/labels.ts";
import { runLabel, untilLabel } from "../../host/window/window.ts";

/** Seconds. Hetzner locks a server until its snapshot is finished. */
const removeSeconds = 300;

/** What a bake bought, and its snapshot until that is finished. */
interface Bought {
  /** As in `delete the …`. */
  what: string;
  id: number;
  name: string;
  /** The bake that bought it. */
  run: string | undefined;
  /** By when that bake has ended, in milliseconds since 1970. */
  until: number;
  remove: () => Parameters<typeof answerOf>[1];
}

/** Labels of everything that a bake buys. @param until by when it has ended */
export const bakingLabels = (host: string, run: string, until: Date): Record<string, string> => ({
  "managed-by": "clawdlets",
  [bakingLabel]: host,
  [runLabel]: run,
  [untilLabel]: String(Math.ceil(until.getTime() / 1000)),
});

/**
 * Deletes what bakes of this host bought, and their unfinished snapshots; a finished one has other labels. Tries everything, even if
 * something cannot be deleted. Ignores Ctrl-C, so that nothing goes on costing money.
 * @param runs the bakes that were started on this machine
 * @throws UserError if another machine may still be baking; nothing is deleted then
 * @throws UserError that names everything that could not be deleted
 */
export async function removeBaking(hetzner: Hetzner, host: string, runs: readonly string[]): Promise<void> {
  const all = await findBaking(hetzner, host);
  const others = all.filter(({ run, until }) => !(run !== undefined && runs.includes(run)) && until > Date.now());
  if (others[0]) throw bakingElsewhere(host, others[0]);
  await removeBought(host, all);
}

/**
 * Deletes what one bake bought, and nothing of other bakes.
 * @returns how much that was
 * @throws UserError that names everything that could not be deleted
 */
export async function removeRun(hetzner: Hetzner, host: string, run: string): Promise<number> {
  const own = (await findBaking(hetzner, host)).filter((each) => each.run === run);
  await removeBought(host, own);
  return own.length;
}

async function removeBought(host: string, all: readonly Bought[]): Promise<void> {
  const isFirewall = ({ what }: Bought) => what === "firewall";
  // A firewall is in use as long as its server exists.
  const failures = [
    ...(await removeEach(all.filter((each) => !isFirewall(each)))),
    ...(await removeEach(all.filter(isFirewall))),
  ];
  if (failures.length === 0) return;
  const problem = "could not delete everything that the bake bought. A server and a snapshot COST MONEY.";
  const fix = `Delete them in the Hetzner console, or with: clawdlets image bake --host ${host}`;
  throw new UserError({ subject: host, problem, fix }, { exitCode: exitCodes.api, details: failures });
}

async function findBaking(hetzner: Hetzner, host: string): Promise<Bought[]> {
  const selector = `${bakingLabel}==${host}`;
  const [servers, snapshots, firewalls, keys] = await Promise.all([
    allServers(hetzner, "look for an earlier bake's server", selector),
    allSnapshots(hetzner, "look for an earlier bake's snapshot", selector),
    allFirewalls(hetzner, "look for an earlier bake's firewall", selector),
    allSshKeys(hetzner, "look for an earlier bake's key", selector),
  ]);
  const path = (id: number) => ({ params: { path: { id } } });
  return [
    ...servers.map(bought("temporary server", (id) => hetzner.DELETE("/servers/{id}", path(id)))),
    ...snapshots.map(bought("unfinished snapshot", (id) => hetzner.DELETE("/images/{id}", path(id)))),
    ...firewalls.map(bought("firewall", (id) => hetzner.DELETE("/firewalls/{id}", path(id)))),
    ...keys.map(bought("one-time key", (id) => hetzner.DELETE("/ssh_keys/{id}", path(id)))),
  ];
}

interface Labelled {
  id: number;
  name?: string | null;
  labels?: Record<string, string> | undefined;
}

const bought =
  (what: string, remove: (id: number) => ReturnType<Bought["remove"]>) =>
  ({ id, name, labels }: Labelled): Bought => ({
    what,
    id,
    name: name ?? "",
    run: labels?.[runLabel],
    // Without a readable time it is overdue.
    until: Number(/^[0-9]{1,11}$/.exec(labels?.[untilLabel] ?? "")?.[0] ?? 0) * 1000,
    remove: () => remove(id),
  });

/** @returns a line for each that is left */
async function removeEach(all: readonly Bought[]): Promise<string[]> {
  const results = await Promise.allSettled(all.map(gone));
  return results.flatMap((result, index) => {
    if (result.status === "fulfilled") return [];
    if (!(result.reason instanceof UserError)) throw result.reason;
    const { what, name, id } = all[index] as Bought;
    return [`${what} ${name === "" ? id : `"${name}" (${id})`}: ${messageOf(result.reason)}`];
  });
}

const passing: readonly string[] = ["locked", "resource_in_use", "conflict"];

/** Repeats a request as long as Hetzner is still busy with the resource, and accepts that it is gone. */
async function gone({ what, remove }: Bought): Promise<void> {
  const attempt = async () => {
    try {
      await answerOf(`delete the ${what}`, remove());
      return true;
    } catch (error) {
      if (!(error instanceof HetznerApiError)) throw error;
      if (error.code === "not_found") return true;
      if (passing.includes(error.code ?? "")) return undefined;
      throw error;
    }
  };
  const limits = { seconds: removeSeconds, pauseMs: 1000, longestPauseMs: 8000 };
  await waitUntil(attempt, { ...limits, waitedFor: `Hetzner did not delete the ${what}`, advice: "" });
}

function bakingElsewhere(host: string, { what, name, id, until }: Bought): UserError {
  const problem = `another machine may be baking it: its ${what} "${name}" (${id}) is at Hetzner, and that bake ends by ${new Date(until).toISOString()}. Nothing was changed.`;
  const fix = `Wait until then. If that bake was killed, delete what has the label ${bakingLabel}=${host} in the Hetzner console.`;
  return new UserError({ subject: host, problem, fix }, { exitCode: exitCodes.busy });
}
