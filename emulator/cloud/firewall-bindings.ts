import type { Cloud } from "./cloud.ts";
import { parseSelector } from "./labels.ts";
import type { FirewallBinding, FirewallRecord, ServerRecord } from "./types.ts";

/** The servers that a firewall's targets match now, by id or by label. */
export function matchedServers(cloud: Cloud, firewall: FirewallRecord): Set<number> {
  const matched = new Set<number>();
  for (const target of firewall.targets) {
    if (target.type === "server") {
      if (cloud.servers.has(target.server)) matched.add(target.server);
      continue;
    }
    for (const id of selectedServers(cloud, target.selector)) matched.add(id);
  }
  return matched;
}

export function selectedServers(cloud: Cloud, selector: string): number[] {
  const matches = parseSelector(selector);
  if (matches === null) return [];
  return [...cloud.servers.values()].filter((server) => matches(server.labels)).map((server) => server.id);
}

/** The firewalls on a server, as `public_net.firewalls` shows them. */
export function firewallsOf(cloud: Cloud, server: ServerRecord): { id: number; status: "pending" | "applied" }[] {
  const found: { id: number; status: "pending" | "applied" }[] = [];
  for (const firewall of cloud.firewalls.values()) {
    const binding = firewall.bindings.find((candidate) => candidate.server === server.id);
    if (binding !== undefined) found.push({ id: firewall.id, status: binding.status });
  }
  return found;
}

/**
 * Brings the bindings in line with the targets: new matches start as `pending`, gone ones are dropped at once.
 * Whoever added a target starts the action that applies them; matches by label that nobody asked for (a label was set,
 * a server created) get an action of their own here, so that they lag as in the real API.
 */
export function syncBindings(cloud: Cloud): void {
  for (const firewall of cloud.firewalls.values()) {
    const matched = matchedServers(cloud, firewall);
    firewall.bindings = firewall.bindings.filter((binding) => matched.has(binding.server));
    const added = [...matched].filter((id) => !firewall.bindings.some((binding) => binding.server === id));
    if (added.length === 0) continue;
    firewall.bindings.push(...added.map(newBinding));
    cloud.startAction({
      command: "apply_firewall",
      resources: [{ id: firewall.id, type: "firewall" }],
      effect: { do: "firewall.apply", firewall: firewall.id, servers: added },
      locks: [],
    });
  }
}

/** Adds bindings that an action of the caller's will apply. */
export function addPendingBindings(cloud: Cloud, firewall: FirewallRecord): number[] {
  const added = [...matchedServers(cloud, firewall)].filter(
    (id) => !firewall.bindings.some((binding) => binding.server === id),
  );
  firewall.bindings.push(...added.map(newBinding));
  return added;
}

function newBinding(server: number): FirewallBinding {
  return { server, status: "pending", enforced: false };
}
