import { UserError } from "../errors.ts";
import { exitCodes } from "../exit-codes.ts";
import { adminRoute } from "./admin-route.ts";
import { waitUntil } from "./deadline.ts";
import { readDelivery } from "./delivery.ts";
import { extraFilesOf } from "./extra-files.ts";
import { namesOf, pinHostKey } from "./known-hosts.ts";
import type { Installation, InstallRequest } from "./request.ts";
import { ssh } from "./ssh.ts";
import { tailnetAddress } from "./tailnet.ts";
import { checkDelivered, type HostSeen, lookAtHost } from "./verify.ts";

/** Seconds. */
const limits = { finalKey: 600, tailnet: 300 };

/**
 * Success is what is seen: the host shows its final key, runs this installation, and has everything as it was sent.
 * Pins the key by name and address first, in place of whatever that address answered with before.
 */
export async function confirmHost(installation: Installation): Promise<HostSeen> {
  const { layout, settings, local, facts, host, signal, report } = installation;
  await pinHostKey(layout.knownHosts, namesOf(settings.host, facts.address, local.sshPort), settings.sshHostKey);
  const route = adminRoute(installation, facts.address);
  const seen = await waitUntil(() => lookAtHost(route, signal), {
    seconds: limits.finalKey,
    pauseMs: 500,
    waitedFor: `${settings.host}: no login as admin under the final host key`,
    advice: `The server's console shows whether NixOS booted; the key tried is ${local.sshPubkeyFile}.`,
    signal,
  });
  if (seen.installId !== facts.installId) throw otherInstallation(installation, seen);
  const delivery = await readDelivery(host, { layout, settings, local, installId: facts.installId });
  const unseen = await checkDelivered(route, settings.host, extraFilesOf(delivery), signal);
  if (unseen.length > 0) report("confirm", `sent, but not looked at, as only root enters there: ${unseen.join(", ")}`);
  return seen;
}

/** Waits for a session over the tailnet under the same pinned key: the way in that stays. */
export async function confirmTailnet(
  installation: Pick<InstallRequest, "layout" | "settings" | "local" | "signal">,
): Promise<string> {
  const { settings, local, signal } = installation;
  return waitUntil(
    async () => {
      const address = await tailnetAddress(local, settings.host, signal);
      if (address === undefined) return undefined;
      const { exitCode } = await ssh(adminRoute(installation, address), "true", { timeoutSeconds: 20, signal });
      return exitCode === 0 ? address : undefined;
    },
    {
      seconds: limits.tailnet,
      pauseMs: 500,
      waitedFor: `${settings.host}: no ssh session over the tailnet`,
      advice:
        'Is this machine in the tailnet ("tailscale status")? Was the auth key still valid? On the host\'s console: journalctl -u tailscaled. Public SSH is closed all the same.',
      signal,
    },
  );
}

/** The host runs another installation than the one that was asked for. It was left as it is. */
function otherInstallation({ settings, facts }: InstallRequest, seen: HostSeen): UserError {
  return new UserError(
    `${settings.host}: the host runs the installation "${seen.installId}", not ${facts.installId}. It was left as it is. To wipe it and install anew, raise clawdlets:reinstall in stacks/Pulumi.${settings.host}.yaml.`,
    { exitCode: exitCodes.install },
  );
}
