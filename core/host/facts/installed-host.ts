import { adminRoute } from "../reach/admin-route.ts";
import { askHostKey } from "../reach/host-key.ts";
import type { SshRoute } from "../reach/ssh.ts";
import { tailnetAddress } from "../reach/tailnet.ts";
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
  const { settings, local, facts, signal } = reach;
  const tailnet = settings.tailnet === "tailscale" ? await tailnetAddress(local, settings.host, signal) : undefined;
  for (const address of [tailnet, facts.address]) {
    if (address === undefined) continue;
    const route = adminRoute(reach, address);
    const seen = await lookAtHost(route, signal);
    if (seen) return { route, seen };
  }
  return undefined;
}

/** Whether the host shows its final key over the tailnet. Another machine of its name there shows another key. */
export async function answersOverTailnet({ settings, local, signal }: Reach): Promise<boolean> {
  if (settings.tailnet !== "tailscale") return false;
  const address = await tailnetAddress(local, settings.host, signal);
  if (address === undefined) return false;
  const answer = await askHostKey({ address, port: local.sshPort }, { final: settings.sshHostKey }, signal);
  return answer.kind === "final";
}
