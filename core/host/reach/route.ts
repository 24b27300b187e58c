import { objectionOf, UserError } from "../../base/errors.ts";
import type { Objection } from "../../base/problem.ts";
import { safeText } from "../../base/wording.ts";
import type { Layout } from "../../project/layout.ts";
import { type HostSettings, hasTailnet, type LocalSettings } from "../../project/settings/host.ts";
import { pinIfUnknown } from "./known-hosts.ts";
import { publicAddressOf } from "./made-elsewhere.ts";
import { operatorIdentity } from "./operator.ts";
import { type SshRoute, ssh } from "./ssh.ts";
import { findInTailnet, type HostInTailnet } from "./tailnet.ts";
import { resolveTargetHost } from "./target-host.ts";

/** A host, and the key that its stack file declares; undefined if the file cannot be read. */
export interface PinnedHost {
  host: string;
  sshHostKey: string | undefined;
}

/** What is needed to find a route to a host. */
export interface Reach {
  layout: Layout;
  settings: Pick<HostSettings, "tailnet" | "sshExposure"> & PinnedHost;
  local: Pick<LocalSettings, "tailscale" | "endpoint" | "token" | "sshPort" | "sshPubkeyFile"> &
    Partial<Pick<LocalSettings, "targetHost">>;
  /** Public address. @default the one in this machine's installation journal, or at Hetzner */
  address?: string | undefined;
  /** The firewall lets this machine in, whatever the stack exposes. */
  isWindowOpen?: boolean;
  signal: AbortSignal;
}

/** Why there is no route: a code to branch on, and the addresses at which no login with the pinned key worked. */
export interface NoRoute {
  route?: undefined;
  code: "tailnet" | "not-in-tailnet" | "address-unknown" | "no-session";
  tried: readonly string[];
  /** With `tailnet`: what is wrong with this machine's client, or with the host's key. */
  problem?: Objection;
  /** With `no-session`: what ssh said at each address, e.g. `100.64.0.7: Permission denied (publickey).` */
  reasons?: readonly string[];
}

export type RouteOrReason = { route: SshRoute } | NoRoute;

/**
 * Finds a route to an installed host: over the tailnet, or at its public address if the stack exposes ssh, the host has no
 * tailnet, or a window is open. If several addresses could be the host's, the one that accepts a login with the pinned key is. If none
 * does, as `targetHost` says.
 * @throws the signal's reason once it is aborted
 */
export async function findRoute(reach: Reach): Promise<RouteOrReason> {
  try {
    return await routeOrReason(reach);
  } finally {
    // Ctrl-C ends tailscale and ssh too, whose failures would be reported instead.
    reach.signal.throwIfAborted();
  }
}

async function routeOrReason(reach: Reach): Promise<RouteOrReason> {
  const { tailnet, exposed, problem, proxyCommand } = await candidateAddresses(reach);
  const all = await Promise.all([
    Promise.all(tailnet.map((address) => adminRoute(reach, address, proxyCommand))),
    Promise.all(exposed.map((address) => adminRoute(reach, address))),
  ]);
  const groups = all.filter((group) => group.length > 0);
  const reasons: string[] = [];
  for (const routes of groups) {
    // A single last candidate needs no test login: the caller's own ssh checks the key.
    const [only, ...more] = routes;
    const isLast = routes === groups.at(-1) && reach.local.targetHost === undefined;
    if (only && more.length === 0 && isLast) return { route: only };
    const route = await firstWithSession(routes, reach.signal, reasons);
    if (route) return { route };
  }
  // Always tested: stack.json may name an alias that only its author's machine has.
  const targets = await targetRoute(reach);
  const target = await firstWithSession(targets, reach.signal, reasons);
  if (target) return { route: target };
  const tried = [...groups.flat(), ...targets].map(({ address }) => address);
  if (problem) return { code: "tailnet", tried, problem };
  if (tried.length > 0) return { code: "no-session", tried, reasons };
  return { code: hasTailnet(reach.settings) ? "not-in-tailnet" : "address-unknown", tried };
}

/** Every address that may be the host's: those with its name in the tailnet, and the public one if ssh is allowed there. */
export async function candidateAddresses(
  reach: Reach,
): Promise<{ tailnet: string[]; exposed: string[]; problem?: Objection; proxyCommand?: string }> {
  const { layout, settings, local, signal } = reach;
  const isInTailnet = hasTailnet(settings);
  const found = isInTailnet
    ? await findInTailnet(local, settings.host, signal).catch((error: unknown): Partial<HostInTailnet> => {
        // A machine without tailscale may have another way.
        if (local.targetHost === undefined || !(error instanceof UserError)) throw error;
        return { problem: objectionOf(error, "tailnet-client") };
      })
    : undefined;
  const isExposed = !isInTailnet || settings.sshExposure !== "tailnet" || reach.isWindowOpen === true;
  const address =
    reach.address ?? (isExposed ? await publicAddressOf(layout, settings.host, local, signal) : undefined);
  return {
    tailnet: found?.addresses ?? [],
    exposed: isExposed && address !== undefined ? [address] : [],
    ...(found?.problem && { problem: found.problem }),
    ...(found?.proxyCommand !== undefined && { proxyCommand: found.proxyCommand }),
  };
}

async function targetRoute(reach: Reach): Promise<SshRoute[]> {
  const { targetHost } = reach.local;
  const found = targetHost === undefined ? undefined : await resolveTargetHost(targetHost, reach.signal);
  if (!found) return [];
  const { address, port, proxyCommand } = found;
  return [{ ...(await adminRoute(reach, address, proxyCommand)), ...(port !== undefined && { port }) }];
}

/** Route for the admin's login at one address, with the pinned key. Pins it first if this machine has none for the host. */
export async function adminRoute(
  {
    layout,
    settings,
    local,
  }: {
    layout: Pick<Layout, "knownHosts">;
    settings: PinnedHost;
    local: Pick<LocalSettings, "sshPort" | "sshPubkeyFile">;
  },
  address: string,
  proxyCommand?: string,
): Promise<SshRoute> {
  const { host, sshHostKey } = settings;
  if (sshHostKey !== undefined) await pinIfUnknown(layout.knownHosts, host, sshHostKey);
  return {
    address,
    port: local.sshPort,
    user: "admin",
    alias: host,
    knownHosts: layout.knownHosts,
    ...operatorIdentity(local.sshPubkeyFile),
    ...(proxyCommand !== undefined && { proxyCommand }),
  };
}

/**
 * Logs in over all routes in parallel. ssh-keyscan would be quicker, but sshd penalises connections that never authenticate
 * (PerSourcePenalties, OpenSSH 9.8), and waiting for a host takes many tries.
 */
async function firstWithSession(
  routes: readonly SshRoute[],
  signal: AbortSignal,
  reasons: string[],
): Promise<SshRoute | undefined> {
  const found = new AbortController();
  const logIn = async (route: SshRoute) => {
    const { exitCode, stderr } = await ssh(route, "true", {
      timeoutSeconds: 20,
      signal: AbortSignal.any([signal, found.signal]),
    });
    return { route, reason: exitCode === 255 ? `${route.address}: ${saidBy(stderr)}` : undefined };
  };
  const pending = new Map(routes.map((route) => [route, logIn(route)]));
  try {
    while (pending.size > 0) {
      const { route, reason } = await Promise.race(pending.values());
      if (reason === undefined) return route;
      reasons.push(reason);
      pending.delete(route);
    }
    return undefined;
  } finally {
    found.abort();
  }
}

/** The last line that ssh printed, which says why it failed. Behind a ProxyCommand, ssh calls every machine "UNKNOWN port 65535". */
export const saidBy = (stderr: string): string => {
  const line = stderr.trim().split("\n").at(-1)?.trim() ?? "";
  return safeText(line.replace(/ (?:by|to|with) UNKNOWN port 65535/, "") || "ssh timed out");
};

/** The reasons why the host cannot be reached, as sentences. */
export function reasonOf(
  host: string,
  { code, tried, problem, reasons = [] }: NoRoute,
): Pick<Objection, "problem" | "fix"> {
  if (problem) return problem;
  const said = reasons.length === 0 ? "" : ` (${reasons.join("; ")})`;
  const sentences = {
    tailnet: "the tailnet cannot be used.",
    "not-in-tailnet": `the tailnet has no machine "${host}" that is online. Is this machine in the tailnet ("tailscale status")?`,
    "address-unknown":
      "its address is unknown: this machine did not install it, and Hetzner named no server of this host.",
    "no-session": `no ssh session with its pinned key at ${tried.join(" or ")}${said}. Does another machine in the tailnet use its name ("tailscale status")?`,
  };
  return { problem: sentences[code] };
}

/** The error for a host that cannot be reached. @param advice what to do about it, a sentence */
export function noRoute(host: string, reason: NoRoute, advice: string): UserError {
  const { problem, fix } = reasonOf(host, reason);
  const sentences = [`cannot reach the host: ${problem}`, ...(fix === undefined ? [] : [withPeriod(fix)]), advice];
  return new UserError({ subject: host, problem: sentences.join(" ") });
}

/** Ends a command or sentence, so that another can follow. */
const withPeriod = (text: string) => (/[.?!]$/.test(text) ? text : `${text}.`);
