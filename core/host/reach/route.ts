import { UserError } from "../../base/errors.ts";
import { hostLayoutOf, type Layout } from "../../project/layout.ts";
import type { HostSettings, LocalSettings } from "../../project/settings/host.ts";
import { readJournal } from "../journal.ts";
import { operatorIdentity } from "./operator.ts";
import { type SshRoute, ssh } from "./ssh.ts";
import { tailnetAddresses } from "./tailnet.ts";

/** What is needed to find a route to a host. */
export interface Reach {
  layout: Layout;
  settings: Pick<HostSettings, "host" | "tailnet" | "sshExposure">;
  local: Pick<LocalSettings, "tailscale" | "endpoint" | "token" | "sshPort" | "sshPubkeyFile">;
  /** Public IPv4 address. @default the one in this machine's installation journal */
  address?: string | undefined;
  /** The firewall lets this machine in, whatever the stack exposes. */
  isWindowOpen?: boolean;
  signal: AbortSignal;
}

/** Why there is no route: a code to branch on, and the addresses at which no login with the pinned key worked. */
export interface NoRoute {
  route?: undefined;
  code: "not-in-tailnet" | "address-unknown" | "no-session";
  tried: readonly string[];
}

export type RouteOrReason = { route: SshRoute } | NoRoute;

/**
 * Finds a route to an installed host: over the tailnet, or at its public address if the stack exposes ssh, the host has no
 * tailnet, or a window is open. If several addresses could be the host's, the one that accepts a login with the pinned key is.
 */
export async function findRoute(reach: Reach): Promise<RouteOrReason> {
  const { tailnet, exposed } = await candidateAddresses(reach);
  const groups = [tailnet, exposed].filter((group) => group.length > 0);
  for (const group of groups) {
    const routes = group.map((address) => adminRoute(reach, address));
    // A single last candidate needs no test login: the caller's own ssh checks the key.
    const [only, ...more] = routes;
    if (only && more.length === 0 && group === groups.at(-1)) return { route: only };
    const route = await firstWithSession(routes, reach.signal);
    if (route) return { route };
  }
  const tried = groups.flat();
  if (tried.length > 0) return { code: "no-session", tried };
  return { code: reach.settings.tailnet === "tailscale" ? "not-in-tailnet" : "address-unknown", tried };
}

/** Every address that may be the host's: those with its name in the tailnet, and the public one if ssh is allowed there. */
export async function candidateAddresses(reach: Reach): Promise<{ tailnet: string[]; exposed: string[] }> {
  const { layout, settings, local, signal } = reach;
  const hasTailnet = settings.tailnet === "tailscale";
  const tailnet = hasTailnet ? await tailnetAddresses(local, settings.host, signal) : [];
  const isExposed = !hasTailnet || settings.sshExposure !== "tailnet" || reach.isWindowOpen === true;
  if (!isExposed) return { tailnet, exposed: [] };
  const address = reach.address ?? readJournal(hostLayoutOf(layout, settings.host).journal)?.address;
  return { tailnet, exposed: address === undefined ? [] : [address] };
}

/** Route for the admin's login at one address, with the pinned key. */
export function adminRoute(
  {
    layout,
    settings,
    local,
  }: {
    layout: Pick<Layout, "knownHosts">;
    settings: Pick<HostSettings, "host">;
    local: Pick<LocalSettings, "sshPort" | "sshPubkeyFile">;
  },
  address: string,
): SshRoute {
  return {
    address,
    port: local.sshPort,
    user: "admin",
    alias: settings.host,
    knownHosts: layout.knownHosts,
    ...operatorIdentity(local.sshPubkeyFile),
  };
}

/**
 * Logs in over all routes in parallel. ssh-keyscan would be quicker, but sshd penalises connections that never authenticate
 * (PerSourcePenalties, OpenSSH 9.8), and waiting for a host takes many tries.
 */
async function firstWithSession(routes: readonly SshRoute[], signal: AbortSignal): Promise<SshRoute | undefined> {
  const found = new AbortController();
  const logIn = async (route: SshRoute) => {
    const { exitCode } = await ssh(route, "true", {
      timeoutSeconds: 20,
      signal: AbortSignal.any([signal, found.signal]),
    });
    return { route, hasSession: exitCode !== 255 };
  };
  const pending = new Map(routes.map((route) => [route, logIn(route)]));
  try {
    while (pending.size > 0) {
      const { route, hasSession } = await Promise.race(pending.values());
      if (hasSession) return route;
      pending.delete(route);
    }
    return undefined;
  } finally {
    found.abort();
  }
}

/** True if this machine's journal says that the host is installed. */
export function isInstalled(layout: Layout, host: string): boolean {
  return readJournal(hostLayoutOf(layout, host).journal)?.state === "done";
}

/** The error for a host that cannot be reached. @param advice what to do about it, a sentence */
export function noRoute(host: string, { code, tried }: NoRoute, advice: string): UserError {
  const reasons = {
    "not-in-tailnet": `cannot reach the host: the tailnet has no machine "${host}" that is online. Is this machine in the tailnet ("tailscale status")?`,
    "address-unknown": "cannot reach the host: its address is unknown, because it was not installed from this machine.",
    "no-session": `cannot reach the host: no ssh session with its pinned key at ${tried.join(" or ")}. Does another machine in the tailnet use its name ("tailscale status")?`,
  };
  return new UserError({ subject: host, problem: `${reasons[code]} ${advice}` });
}
