import { askHostKey } from "../reach/host-key.ts";
import { findRoute } from "../reach/route.ts";
import type { SshRoute } from "../reach/ssh.ts";
import { tailnetAddresses } from "../reach/tailnet.ts";
import type { InstallRequest } from "../request.ts";
import { type HostSeen, lookAtHost } from "./verify.ts";

type Reach = Pick<InstallRequest, "layout" | "settings" | "local" | "facts" | "signal">;

/**
 * Looks at the installed host by whichever way answers under its pinned key. In a tailnet that is the tailnet: the host's own
 * firewall lets ssh in over that alone, so an open window shows nothing of it. A host without one, or with public ssh, answers
 * at its public address.
 * @returns undefined when no login is possible (yet)
 */
export async function lookByAnyWay(reach: Reach): Promise<{ route: SshRoute; seen: HostSeen } | undefined> {
  const { route } = await findRoute({ ...reach, address: reach.facts.address, isWindowOpen: true });
  const seen = route && (await lookAtHost(route, reach.signal));
  return seen && { route, seen };
}

/** Whether the host shows its final key over the tailnet. Another machine of its name there shows another key. */
export async function answersOverTailnet({ settings, local, signal }: Reach): Promise<boolean> {
  if (settings.tailnet !== "tailscale") return false;
  const addresses = await tailnetAddresses(local, settings.host, signal);
  const ask = (address: string) => askHostKey({ address, port: local.sshPort }, { final: settings.sshHostKey }, signal);
  return (await Promise.all(addresses.map(ask))).some(({ kind }) => kind === "final");
}
