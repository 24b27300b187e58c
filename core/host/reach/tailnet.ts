import type { Objection } from "../../base/problem.ts";
import { shellQuoted } from "../../base/wording.ts";
import type { LocalSettings } from "../../project/settings/host.ts";
import { readTailnetClient, type TailnetNode } from "./tailnet-client.ts";
import { expiryOf, lastDayOf } from "./tailnet-expiry.ts";

type Local = Pick<LocalSettings, "tailscale" | "endpoint" | "token">;

/** A host's key that expires soon, and when, e.g. `in 3 days`. */
export type HostExpiry = Objection & { when: string };

/** What this machine's tailscale knows of one host. */
export interface HostInTailnet {
  /** Every address that may be the host's, IPv4 first; empty while the host has not joined. */
  addresses: string[];
  /** Why there is none: this machine's client, or a host whose key has expired. */
  problem?: Objection;
  /** Keys that expire soon: this machine's, and the host's by address. */
  warnings: { own: Objection[]; host: ReadonlyMap<string, HostExpiry> };
  /** The last day of the host's key by address, e.g. `2027-03-01`, or `never`. */
  keys: ReadonlyMap<string, string>;
  /** ssh's ProxyCommand, if only tailscaled itself can connect to the tailnet. */
  proxyCommand?: string;
}

/**
 * Finds a host in the tailnet. Any machine can take the host's name, and a recreated host becomes `name-1` in DNS next to its dead
 * predecessor (tailscale/tailscale#18921): only the pinned key tells which one is the host.
 * @throws UserError if tailscale is not installed
 */
export async function findInTailnet(
  local: Local,
  host: string,
  signal: AbortSignal,
  now = new Date(),
): Promise<HostInTailnet> {
  const client = await readTailnetClient(local, signal, now);
  const named = namesakesOf(host, client.peers);
  const isExpired = (peer: TailnetNode) => expiryOf(peer, now)?.state === "expired";
  const usable = client.problem ? [] : named.filter((peer) => peer.Online && !isExpired(peer));
  const addresses = usable.flatMap(({ TailscaleIPs }) => TailscaleIPs ?? []);
  const isIpv6 = (address: string) => address.includes(":");
  const problem = client.problem ?? (usable.length === 0 ? expiredHost(host, named, now) : undefined);
  return {
    addresses: [...addresses.filter((address) => !isIpv6(address)), ...addresses.filter(isIpv6)],
    ...(problem && { problem }),
    warnings: { own: client.warnings, host: expiringHosts(host, usable, now) },
    keys: new Map(usable.flatMap((peer) => (peer.TailscaleIPs ?? []).map((address) => [address, lastDayOf(peer)]))),
    // ssh runs it with the user's shell, and replaces %h and %p.
    ...(client.isUserspace && {
      proxyCommand: `${shellQuoted(local.tailscale.replaceAll("%", "%%"))} nc %h %p`,
    }),
  };
}

/** Every machine that has the host's name: the host, others, or both. */
export function namesakesOf(host: string, peers: readonly TailnetNode[]): TailnetNode[] {
  return peers.filter(({ HostName, DNSName }) => HostName === host || DNSName.split(".")[0]?.toLowerCase() === host);
}

/** The addresses alone. @returns an empty list while the host has not joined, or this machine is not in the tailnet */
export async function tailnetAddresses(local: Local, host: string, signal: AbortSignal): Promise<string[]> {
  return (await findInTailnet(local, host, signal)).addresses;
}

function expiredHost(host: string, named: readonly TailnetNode[], now: Date): Objection | undefined {
  const [expired] = named.flatMap((peer) => expiryOf(peer, now) ?? []).filter(({ state }) => state === "expired");
  if (!expired) return undefined;
  return {
    code: "tailnet-expiry",
    problem: `the tailnet key of "${host}" expired on ${expired.on}.`,
    fix: `Extend it in the tailnet's admin console, or log the host in on its console: sudo tailscale up --reset. If ssh still reaches the host another way: clawdlets tailnet rekey --host ${host}`,
  };
}

function expiringHosts(host: string, usable: readonly TailnetNode[], now: Date): Map<string, HostExpiry> {
  return new Map(
    usable.flatMap((peer) => {
      const expiry = expiryOf(peer, now);
      if (!expiry) return [];
      const warning: HostExpiry = {
        when: `in ${expiry.inWords}`,
        code: "tailnet-expiry",
        problem: `the tailnet key of "${host}" expires on ${expiry.on}, in ${expiry.inWords}.`,
        fix: `Turn off key expiry for this machine in the tailnet's admin console, or make the host a new device before then: clawdlets tailnet rekey --host ${host}`,
      };
      return (peer.TailscaleIPs ?? []).map((address) => [address, warning] as const);
    }),
  );
}
