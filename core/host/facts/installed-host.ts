import { hasTailnet } from "../../project/settings/host.ts";
import { askHostKey } from "../reach/host-key.ts";
import { adminRoute, findRoute } from "../reach/route.ts";
import { type SshRoute, ssh } from "../reach/ssh.ts";
import { findInTailnet } from "../reach/tailnet.ts";
import type { InstallRequest } from "../request.ts";
import { type HostSeen, lookAtHost } from "./verify.ts";

type Reach = Pick<InstallRequest, "layout" | "settings" | "local" | "facts" | "signal">;

/**
 * Inspects the installed host over the first route that works with its pinned key. A host with a tailnet is reached over the
 * tailnet: its own firewall allows ssh only there, even while a window is open. A host without a tailnet, or with public ssh,
 * is reached at its public address.
 * @returns undefined when no login is possible (yet)
 */
export async function lookByAnyWay(reach: Reach): Promise<{ route: SshRoute; seen: HostSeen } | undefined> {
  const { route } = await findRoute({ ...reach, address: reach.facts.address, isWindowOpen: true });
  const seen = route && (await lookAtHost(route, reach.signal));
  return seen && { route, seen };
}

/** True if the host presents its final key over the tailnet. Another machine with the same name has another key. */
export async function answersOverTailnet({ layout, settings, local, signal }: Reach): Promise<boolean> {
  if (!hasTailnet(settings)) return false;
  const { addresses, proxyCommand } = await findInTailnet(local, settings.host, signal);
  const ask = async (address: string) => {
    // ssh-keyscan knows no ProxyCommand. A login checks the pinned key as well.
    if (proxyCommand !== undefined) {
      const route = await adminRoute({ layout, settings, local }, address, proxyCommand);
      return (await ssh(route, "true", { timeoutSeconds: 20, signal })).exitCode !== 255;
    }
    const known = { final: settings.sshHostKey };
    return (await askHostKey({ address, port: local.sshPort }, known, signal)).kind === "final";
  };
  return (await Promise.all(addresses.map(ask))).includes(true);
}
