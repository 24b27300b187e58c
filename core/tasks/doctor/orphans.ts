import { answerOf, type Hetzner } from "../../base/hetzner/client.ts";
import { ourSelector } from "../../base/hetzner/labels.ts";
import { allFirewalls, allServers, allSshKeys } from "../../base/hetzner/pages.ts";
import { resourceTypes } from "../../base/hetzner/resource-types.ts";
import { bakingLabel } from "../../host/image/labels.ts";
import { windowLabel } from "../../host/window/window.ts";
import type { Layout } from "../../project/layout.ts";
import { readProjectFile } from "../../project/state/project-file.ts";
import { idsInStates } from "../../project/state/state.ts";
import { type Check, type Finding, notChecked, ok, warning } from "./finding.ts";

const types = {
  server: resourceTypes.server,
  key: resourceTypes.sshKey,
  firewall: resourceTypes.firewall,
} as const;

/** A resource at Hetzner with our labels that is in no state on this machine. A server of a bake is not among them. */
export interface Orphan {
  kind: keyof typeof types;
  id: number;
  name: string;
  host: string | undefined;
  /** Including VAT, from the API for this type and location; 0 if free. Without IPv4 address and traffic. */
  monthlyGross: number;
}

/** @throws UserError if Hetzner cannot be reached */
export async function findOrphans(hetzner: Hetzner, layout: Layout): Promise<Orphan[]> {
  const { ids } = idsInStates(layout);
  const isKnown = (kind: keyof typeof types, id: number) => ids.get(types[kind])?.has(String(id)) === true;
  const [servers, keys, firewalls] = await Promise.all([
    allServers(hetzner, "list our servers", ourSelector),
    allSshKeys(hetzner, "list our ssh keys", ourSelector),
    allFirewalls(hetzner, "list our firewalls", ourSelector),
  ]);
  const orphan = (kind: keyof typeof types, monthlyGross: number, { id, name, labels }: Labelled): Orphan[] =>
    isKnown(kind, id) || (kind === "server" && labels?.[bakingLabel] !== undefined)
      ? []
      : [{ kind, id, name, host: labels?.["clawdlets-host"], monthlyGross }];
  return [
    ...servers.flatMap((server) => {
      return orphan("server", monthlyGross(server), server);
    }),
    ...keys.flatMap((key) => orphan("key", 0, key)),
    ...firewalls.flatMap((firewall) => orphan("firewall", 0, firewall)),
  ];
}

type Server = Awaited<ReturnType<typeof allServers>>[number];

/** Including VAT, for this type and location; 0 if Hetzner names no price. */
export function monthlyGross({ server_type: { prices }, location: { name } }: Server): number {
  const price = prices.find(({ location }) => location === name) ?? prices[0];
  return Number(price?.price_monthly.gross ?? 0);
}

interface Labelled {
  id: number;
  name: string;
  labels?: Record<string, string> | undefined;
}

/** Finds resources that are in no state here: they cost money, or block the next host of the same name. */
export async function checkOrphans(hetzner: Hetzner, layout: Layout): Promise<Finding[]> {
  const about: Check = {
    scope: "deploy",
    check: "orphans",
    subject: "servers, ssh keys and firewalls at Hetzner with our labels, compared with .clawdlets/state",
  };
  const { backend, hasLocalState } = readProjectFile(layout);
  if (backend !== undefined && !hasLocalState) {
    // Everything would be in no state here, and the advice would be to delete it.
    return [notChecked(about, "the engine's state is not on this machine (backend.url in Pulumi.yaml)")];
  }
  const orphans = await findOrphans(hetzner, layout);
  if (orphans.length === 0) return [ok(about, "all are in a state")];
  const currency = orphans.some(({ monthlyGross }) => monthlyGross > 0) ? await currencyOf(hetzner) : "";
  return orphans.map(({ kind, id, name, host, monthlyGross }) => {
    const cost =
      monthlyGross > 0 ? `${monthlyGross.toFixed(2)} ${currency} a month with VAT, without its IPv4` : "costs nothing";
    const mine = `Unless a colleague has it in their state, delete it in the console, or: hcloud ${kind === "key" ? "ssh-key" : kind} delete ${id}`;
    const found = `the ${kind} "${name}" (${id}) is in no state on this machine; ${cost}`;
    return warning({ ...about, ...(host !== undefined && { host }) }, "orphan", found, mine);
  });
}

export async function currencyOf(hetzner: Hetzner): Promise<string> {
  return (await answerOf("look up the currency", hetzner.GET("/pricing"))).pricing.currency;
}

/** Finds leftover windows of any host. `verify` reports windows that are open on purpose. */
export async function checkWindows(hetzner: Hetzner): Promise<Finding[]> {
  const about: Check = { scope: "deploy", check: "windows", subject: "firewalls with the window's label" };
  const windows = await allFirewalls(hetzner, "list the bootstrap windows", windowLabel);
  if (windows.length === 0) return [ok(about, "none, open or left over")];
  return windows.map(({ id, name, labels, rules, applied_to }) => {
    const host = labels?.[windowLabel];
    const at = { ...about, ...(host !== undefined && { host }) };
    const fix = `clawdlets lockdown --host ${host}, unless it is being installed right now`;
    const isOpen = rules.some(({ direction }) => direction === "in");
    if (!isOpen)
      return warning(at, "window-open", `the emptied window "${name}" (${id}) was not deleted; it opens nothing`, fix);
    if (applied_to.length === 0)
      return warning(at, "window-open", `the window "${name}" (${id}) has rules, but is not applied to a server`, fix);
    return warning(at, "window-open", `the window "${name}" (${id}) is open on a server`, fix);
  });
}
