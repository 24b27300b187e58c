import type { Problem } from "../../base/problem.ts";
import { type HostSettings, hetznerEndpoint, type LocalSettings } from "../../project/settings/host.ts";
import { configNamespace } from "../../project/settings/stack-config/stack-config.ts";
import type { KnownServer } from "../../project/state/state.ts";
import { noRouteTo } from "../reach/port.ts";

/** Hetzner's resolver, which is on the internet; nothing is sent to it. An emulated server is on this machine. */
const destination = (endpoint: string) => (endpoint === hetznerEndpoint ? "2a01:4ff:ff00::add:1" : "::1");

/** Why this machine could not reach a new server that has only IPv6. Asks the kernel for a route, and sends no packet. */
export async function checkIpv6Route(
  { host, ipv4Enabled }: Pick<HostSettings, "host" | "ipv4Enabled">,
  { endpoint }: Pick<LocalSettings, "endpoint">,
  address = destination(endpoint),
): Promise<Problem[]> {
  const reason = ipv4Enabled ? undefined : await noRouteTo(address);
  if (reason === undefined) return [];
  return [
    {
      code: "no-route",
      subject: "this machine",
      setting: `${configNamespace}:ipv4Enabled`,
      problem: `is false for ${host}, so only a machine with IPv6 can install it, and ${reason}.`,
      fix: "Use a network with IPv6, or give the server an IPv4 address: remove the setting.",
    },
  ];
}

/** Why this machine could not reach the temporary server of a bake, whose admin network is an IPv6 one. */
export async function checkIpv6Bake(
  host: string,
  { adminCidrs, endpoint }: Pick<LocalSettings, "adminCidrs" | "endpoint">,
): Promise<Problem[]> {
  const reason = await noRouteTo(destination(endpoint));
  if (reason === undefined) return [];
  return [
    {
      code: "no-route",
      subject: ".clawdlets/stack.json",
      setting: `hosts.${host}.opentofu.adminCidr`,
      problem: `is the IPv6 network ${adminCidrs.join(", ")}, so only a machine with IPv6 can install the temporary server, and ${reason}.`,
      fix: "Use a network with IPv6, or set it to your own IPv4 network.",
    },
  ];
}

/**
 * Refuses to add or remove the public IPv4 address of an existing server. Hetzner requires the server to be off for that, and everything
 * that knows the host knows it by its address.
 */
export function addressChangeProblems(
  { host, ipv4Enabled }: Pick<HostSettings, "host" | "ipv4Enabled">,
  server: KnownServer | undefined,
): Problem[] {
  const hasIpv4 = server?.hasIpv4;
  if (hasIpv4 === undefined || hasIpv4 === ipv4Enabled) return [];
  return [
    {
      code: "settings-disagree",
      subject: `stacks/Pulumi.${host}.yaml`,
      setting: `${configNamespace}:ipv4Enabled`,
      problem: `is ${ipv4Enabled}, but the server ${hasIpv4 ? "has a" : "was created without a"} public IPv4 address. An existing server keeps its addresses.`,
      fix: `Set it back to ${hasIpv4}, or make a new server: clawdlets destroy --host ${host}, then clawdlets up --host ${host}. That DELETES the host's disk.`,
    },
  ];
}
