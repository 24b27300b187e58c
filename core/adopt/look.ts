import { adminRoute } from "../bootstrap/admin-route.ts";
import { shownHostKey } from "../bootstrap/host-key.ts";
import { tailnetAddress } from "../bootstrap/tailnet.ts";
import { lookAtHost } from "../bootstrap/verify.ts";
import { SettingsError, UserError } from "../errors.ts";
import { exitCodes } from "../exit-codes.ts";
import { answerOf, type Hetzner } from "../hetzner/client.ts";
import type { Layout } from "../local/layout.ts";
import type { HostSettings, LocalSettings } from "../settings/host.ts";
import type { MadeByTofu } from "./tofu-state.ts";

export interface AdoptRequest {
  layout: Layout;
  settings: HostSettings;
  local: LocalSettings;
  signal: AbortSignal;
}

/** A running host that may be taken over. */
export interface Adoptable extends MadeByTofu {
  /** Public IPv4 address. */
  address: string;
  firewallName: string;
}

/**
 * Asks Hetzner for what the state names, and holds it against the stack file: a difference would change the server at the next `up`.
 * @throws SettingsError with every difference, before anything is written
 */
export async function lookAtMade(hetzner: Hetzner, { settings }: AdoptRequest, ids: MadeByTofu): Promise<Adoptable> {
  const { host } = settings;
  const at = (id: number) => ({ params: { path: { id } } });
  const [{ server }, { firewall }] = await Promise.all([
    answerOf(`look at the server ${ids.serverId}`, hetzner.GET("/servers/{id}", at(ids.serverId))),
    answerOf(`look at the firewall ${ids.firewallId}`, hetzner.GET("/firewalls/{id}", at(ids.firewallId))),
  ]);
  const address = server?.public_net.ipv4?.ip;
  if (!server || address === undefined) {
    throw new UserError(
      `${host}: the server ${ids.serverId} has no public IPv4 address; such a host cannot be taken over.`,
    );
  }
  const differences = [
    ["serverType", server.server_type.name, settings.serverType],
    ["location", server.location.name, settings.location],
    ["(the stack's name)", server.name, host],
    ["(the firewall's name)", firewall.name, `${host}-fw`],
  ] as const;
  const problems = differences
    .filter(([, there, declared]) => there !== declared)
    .map(([setting, there, declared]) => ({
      where: `stacks/Pulumi.${host}.yaml`,
      setting,
      message: `is "${declared}", but Hetzner has "${there}". Write what is there.`,
    }));
  if (problems.length > 0) throw new SettingsError(problems);
  return { ...ids, address, firewallName: firewall.name };
}

/** Where the host answers, and with which key: over the tailnet where that is its way in, else at its public address. */
export async function runningKey(
  { settings, local, signal }: AdoptRequest,
  { address }: Adoptable,
): Promise<{ address: string; key: string }> {
  const { host } = settings;
  const tailnet = settings.tailnet === "tailscale" ? await tailnetAddress(local, host, signal) : undefined;
  const tried = [tailnet, address].filter((each) => each !== undefined);
  for (const each of tried) {
    const key = await shownHostKey({ address: each, port: local.sshPort }, signal);
    if (key !== undefined) return { address: each, key };
  }
  throw new UserError(
    `${host}: no ssh server answers at ${tried.join(" or ")}. Is this machine in the host's tailnet ("tailscale status")? Nothing was changed.`,
    { exitCode: exitCodes.install },
  );
}

/** Logs in under the key that was just pinned. @throws UserError when that is not possible, or it is no NixOS */
export async function logIn(request: AdoptRequest, address: string): Promise<string> {
  const { settings, local } = request;
  const seen = await lookAtHost(adminRoute(request, address), request.signal);
  if (!seen) {
    throw new UserError(
      `${settings.host}: no login as admin at ${address} with ${local.sshPubkeyFile}. Nothing was taken over.`,
      { exitCode: exitCodes.install },
    );
  }
  if (/^\/nix\/store\/[^/]+$/.test(seen.systemPath)) return seen.systemPath;
  throw new UserError(`${settings.host}: what runs at ${address} is no NixOS. Nothing was taken over.`, {
    exitCode: exitCodes.install,
  });
}
