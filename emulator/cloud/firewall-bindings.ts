import { parseSelector } from "./labels.ts";
import type { Resources } from "./resources.ts";
import type { FirewallBinding, FirewallRecord, ServerRecord } from "./types.ts";

/** The servers that a firewall's targets match now, by id or by label. */
export function matchedServers(resources: Resources, firewall: FirewallRecord): Set<number> {
  const matched = new Set<number>();
  for (const target of firewall.targets) {
    if (target.type === "server") {
      if (resources.servers.has(target.server)) matched.add(target.server);
      continue;
    }
    for (const id of selectedServers(resources, target.selector)) matched.add(id);
  }
  return matched;
}

export function selectedServers(resources: Resources, selector: string): number[] {
  const matches = parseSelector(selector);
  if (matches === null) return [];
  return [...resources.servers.values()].filter((server) => matches(server.labels)).map((server) => server.id);
}

/** The firewalls on a server, as `public_net.firewalls` shows them. */
export function firewallsOf(
  resources: Resources,
  server: ServerRecord,
): { id: number; status: "pending" | "applied" }[] {
  const found: { id: number; status: "pending" | "applied" }[] = [];
  for (const firewall of resources.firewalls.values()) {
    const binding = firewall.bindings.find((candidate) => candidate.server === server.id);
    if (binding !== undefined) found.push({ id: firewall.id, status: binding.status });
  }
  return found;
}

/**
 * Updates the bindings to match the targets: new matches start as `pending`, gone ones are dropped at once.
 * @returns the new matches of each firewall, which an action has to apply
 */
export function syncBindings(resources: Resources): { firewall: number; servers: number[] }[] {
  return [...resources.firewalls.values()].flatMap((firewall) => {
    const matched = matchedServers(resources, firewall);
    firewall.bindings = firewall.bindings.filter((binding) => matched.has(binding.server));
    const servers = addPendingBindings(resources, firewall);
    return servers.length === 0 ? [] : [{ firewall: firewall.id, servers }];
  });
}

/** Adds bindings that an action of the caller's will apply. */
export function addPendingBindings(resources: Resources, firewall: FirewallRecord): number[] {
  const added = [...matchedServers(resources, firewall)].filter(
    (id) => !firewall.bindings.some((binding) => binding.server === id),
  );
  firewall.bindings.push(...added.map(newBinding));
  return added;
}

function newBinding(server: number): FirewallBinding {
  return { server, status: "pending", enforced: false };
}
