import { UserError } from "../../base/errors.ts";
import { hostLayoutOf, type Layout } from "../../project/layout.ts";
import type { HostSettings, LocalSettings } from "../../project/settings/host.ts";
import { readJournal } from "../journal.ts";
import { operatorIdentity } from "./operator.ts";
import type { SshRoute } from "./ssh.ts";
import { tailnetAddress } from "./tailnet.ts";

interface Reach {
  layout: Layout;
  settings: HostSettings;
  local: LocalSettings;
  signal: AbortSignal;
}

/** The way in once NixOS is there: the admin, under the pinned final key. */
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

/** Whether a host was installed from this machine and, as far as it knows, is there. */
export function isInstalled(layout: Layout, host: string): boolean {
  return readJournal(hostLayoutOf(layout, host).journal)?.state === "done";
}

/**
 * The way to an installed host: over the tailnet, or to its public address where that is what its stack exposes.
 * @throws UserError when the tailnet does not know it
 */
export async function routeToHost({ layout, settings, local, signal }: Reach): Promise<SshRoute> {
  const { host } = settings;
  const journal = readJournal(hostLayoutOf(layout, host).journal);
  const address =
    settings.tailnet === "tailscale" ? await tailnetAddress(local, host, signal) : (journal?.address ?? undefined);
  if (address !== undefined) return adminRoute({ layout, settings, local }, address);
  if (settings.sshExposure === "public" && journal) return adminRoute({ layout, settings, local }, journal.address);
  throw new UserError(
    `${host}: no way to the host: the tailnet has no machine "${host}" that is online. Is this machine in the tailnet ("tailscale status")? A host that is not there any more: say --not-installed.`,
  );
}
