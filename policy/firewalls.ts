import { resourceTypes } from "../core/base/hetzner/resource-types.ts";
import type { FirewallRule } from "../core/project/firewall/opens-ssh.ts";
import { listOf, type PlannedResource, recordOf, textOf, unknown } from "./rule.ts";

/** The rules of a planned firewall in the API's shape. A network that is unknown until the update is omitted. */
export function rulesOf({ props }: PlannedResource): FirewallRule[] {
  return listOf(props["rules"]).map((each) => {
    const { direction, protocol, port, sourceIps } = recordOf(each);
    return {
      direction: direction === "out" ? "out" : "in",
      protocol: (textOf(protocol) ?? "tcp") as FirewallRule["protocol"],
      port: textOf(port) ?? null,
      source_ips: listOf(sourceIps).flatMap((cidr) => textOf(cidr) ?? []),
    };
  });
}

export const isFirewall = ({ type }: PlannedResource) => type === resourceTypes.firewall;
export const isServer = ({ type }: PlannedResource) => type === resourceTypes.server;

/**
 * The stack's firewalls that one server is created behind: those that its `firewallIds` depend on, or whose id is listed. If neither
 * is known, all of them (fail closed).
 */
export function firewallsOf(server: PlannedResource, all: readonly PlannedResource[]): PlannedResource[] {
  const firewalls = all.filter(isFirewall);
  const urns = server.dependencies["firewallIds"] ?? [];
  const ids = listOf(server.props["firewallIds"]);
  const known = firewalls.filter(
    ({ urn, props }) => urns.includes(urn) || ids.some((id) => String(id) === props["id"]),
  );
  const isAllKnown = ids.length > 0 && !ids.includes(unknown) && known.length > 0;
  return isAllKnown || (urns.length > 0 && known.length > 0) ? known : firewalls;
}
