import { z } from "zod";
import type { Cloud } from "../../cloud/cloud.ts";
import { isSameTarget } from "../../cloud/effects.ts";
import { addPendingBindings, firewallsOf, selectedServers } from "../../cloud/firewall-bindings.ts";
import { parseSelector } from "../../cloud/labels.ts";
import type { ActionRecord, FirewallRecord, FirewallTarget } from "../../cloud/types.ts";
import { ApiError, invalidInput, unprocessable } from "../http/errors.ts";
import { id } from "../http/input.ts";
import type { Call } from "../http/router.ts";

const FIREWALLS_PER_SERVER = 5;

const target = z.object({
  type: z.enum(["server", "label_selector"]),
  server: z.object({ id }).nullish(),
  label_selector: z.object({ selector: z.string() }).nullish(),
});
export const targets = z.array(target);

export function readTargets(given: z.output<typeof targets>, field: string): FirewallTarget[] {
  return given.map((item, index) => {
    if (item.type === "server" && item.server) return { type: "server", server: item.server.id };
    if (item.type === "label_selector" && item.label_selector) {
      const { selector } = item.label_selector;
      if (parseSelector(selector) === null) {
        throw invalidInput({ [`${field}.${index}.label_selector`]: `'${selector}' is not a label selector` });
      }
      return { type: "label_selector", selector };
    }
    throw invalidInput({ [`${field}.${index}`]: `${item.type} is required` });
  });
}

/** Checks targets against what is there, adds them, and starts one action a target. @throws ApiError 422, 403 */
export function applyTo(call: Call, firewall: FirewallRecord, added: FirewallTarget[]): ActionRecord[] {
  const { cloud } = call;
  for (const item of added) {
    if (firewall.targets.some((existing) => isSameTarget(existing, item))) {
      throw unprocessable("firewall_already_applied", "firewall was already applied on resource");
    }
    for (const server of item.type === "server" ? [item.server] : selectedServers(cloud, item.selector)) {
      mustAccept(cloud, firewall, server);
    }
  }
  return added.map((item) => {
    firewall.targets.push(item);
    const servers = addPendingBindings(cloud, firewall);
    return cloud.startAction({
      command: "apply_firewall",
      resources: resourcesOf(firewall, item),
      effect: { do: "firewall.apply", firewall: firewall.id, servers },
      locks: [{ id: firewall.id, type: "firewall" }],
      fault: call.actionFault,
    });
  });
}

function mustAccept(cloud: Cloud, firewall: FirewallRecord, serverId: number): void {
  const server = cloud.servers.get(serverId);
  if (server === undefined) throw unprocessable("firewall_resource_not_found", `server ${serverId} not found`);
  if (server.ipv4 === null && server.ipv6 === null) {
    throw unprocessable("private_net_only_server", "the server has no public interface");
  }
  const present = firewallsOf(cloud, server);
  if (!present.some((entry) => entry.id === firewall.id) && present.length >= FIREWALLS_PER_SERVER) {
    throw new ApiError(403, "resource_limit_exceeded", "a server can have at most 5 firewalls");
  }
}

export function resourcesOf(firewall: FirewallRecord, item: FirewallTarget) {
  const own = { id: firewall.id, type: "firewall" as const };
  return item.type === "server" ? [own, { id: item.server, type: "server" as const }] : [own];
}
