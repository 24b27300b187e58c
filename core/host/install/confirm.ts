import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import type { Objection } from "../../base/problem.ts";
import { poll, waitUntil } from "../../base/wait-until.ts";
import type { Layout } from "../../project/layout.ts";
import { requiredSecrets } from "../../project/secrets/required.ts";
import { hasTailnet } from "../../project/settings/host.ts";
import { readDelivery } from "../delivery/delivery.ts";
import { extraFilesOf } from "../delivery/extra-files.ts";
import { lookByAnyWay } from "../facts/installed-host.ts";
import { checkDelivered, type HostSeen } from "../facts/verify.ts";
import { namesOf, pinHostKey } from "../reach/known-hosts.ts";
import { findRoute, type PinnedHost, type Reach, reasonOf, saidBy } from "../reach/route.ts";
import { type SshRoute, ssh } from "../reach/ssh.ts";
import type { Installation, InstallRequest } from "../request.ts";
import { bootstrapRoute } from "./bootstrap-keys.ts";

/** Seconds, for each thing that is waited for. */
export const confirmLimits = { finalKey: 600, tailnet: 300, secrets: 60 };

/** What the host must show after the reboot, besides its key and installation id. */
export interface Installed {
  /** Store path of the system that was installed. */
  systemPath: string;
  /** Boot id of the installer; the new system must have a different one. */
  bootId: string;
}

/**
 * Reads the installed system from the disk, in the installer, to compare it with what runs after the reboot.
 * @throws UserError if there is none, whatever the installer's exit code was
 */
export async function installedSystem({ settings, local, facts, host, signal }: Installation): Promise<Installed> {
  const route = await bootstrapRoute(host, settings.host, { address: facts.address, port: local.sshPort });
  // Two readlinks, not readlink -f: the second link points into /nix/store, which is below /mnt here.
  const command = 'cat /proc/sys/kernel/random/boot_id; cd /mnt/nix/var/nix/profiles && readlink "$(readlink system)"';
  const { stdout, exitCode } = await ssh(route, command, { timeoutSeconds: 20, signal });
  const [bootId = "", systemPath = ""] = stdout.trim().split("\n");
  if (exitCode === 255) {
    throw new UserError(
      {
        subject: settings.host,
        problem: "lost the ssh session as root.",
        fix: `Run clawdlets up --host ${settings.host} again.`,
      },
      {
        exitCode: exitCodes.install,
      },
    );
  }
  if (/^\/nix\/store\/[^/]+$/.test(systemPath)) return { systemPath, bootId };
  throw new UserError(
    {
      subject: settings.host,
      problem: `the installer ended, but there is no system on the disk. Its log shows why. Then run: clawdlets up --host ${settings.host}`,
    },
    { exitCode: exitCodes.install },
  );
}

/**
 * Confirms an installation: the host presents its final key, runs this installation and exactly the installed system, has
 * every file with the right owner and mode, and has decrypted every secret it needs. First pins the key by name and address,
 * and replaces older pins.
 * @param installed what was just installed; undefined if nothing was
 */
export async function confirmHost(
  installation: Installation,
  installed?: Installed,
): Promise<{ seen: HostSeen; route: SshRoute }> {
  const { layout, settings, local, facts, host, signal, report } = installation;
  await pinHostKey(layout.knownHosts, namesOf(settings.host, facts.address, local.sshPort), settings.sshHostKey);
  const where = hasTailnet(settings) ? `over the tailnet or at ${facts.address}` : `at ${facts.address}`;
  const { route, seen } = await waitUntil(() => lookByAnyWay(installation), {
    seconds: confirmLimits.finalKey,
    pauseMs: 500,
    waitedFor: `${settings.host}: no login as admin with the final host key ${where}`,
    advice: `The server's console shows whether NixOS booted${hasTailnet(settings) ? ' and joined the tailnet (is this machine in it? "tailscale status")' : ""}; the key used was ${local.sshPubkeyFile}.`,
    signal,
  });
  if (seen.installId !== facts.installId) throw otherInstallation(installation, seen);
  if (installed?.bootId === seen.bootId) {
    throw new UserError(
      {
        subject: settings.host,
        problem: "the host has not rebooted since it was installed. Reboot it, then run clawdlets up again.",
      },
      {
        exitCode: exitCodes.install,
      },
    );
  }
  if (installed && seen.systemPath !== installed.systemPath) {
    throw new UserError(
      {
        subject: settings.host,
        problem: `the host runs ${seen.systemPath}, but ${installed.systemPath} was installed. Did it boot another generation? Its console shows the boot.`,
      },
      { exitCode: exitCodes.install },
    );
  }
  const delivery = await readDelivery(host, {
    layout,
    settings,
    local,
    installId: facts.installId,
    address: facts.address,
  });
  const unseen = await checkDelivered(route, settings.host, extraFilesOf(delivery), signal);
  if (unseen.length > 0)
    report("confirm", `sent, but not checked, because only root can read the folder: ${unseen.join(", ")}`);
  await confirmSecrets(installation, route);
  return { seen, route };
}

/** Waits until every required secret is decrypted below /run, where only root and its services can read it. */
async function confirmSecrets({ layout, settings, signal }: Installation, route: SshRoute): Promise<void> {
  const names = requiredSecrets(layout, settings).map(({ name }) => name);
  // sops-nix decrypts what it needs before users exist, such as password hashes, to a separate folder.
  const test = (name: string) => `[ -e /run/secrets/${name} ] || [ -e /run/secrets-for-users/${name} ] || echo ${name}`;
  const look = async () => {
    const { exitCode, stdout } = await ssh(route, names.map(test).join("; "), { timeoutSeconds: 20, signal });
    if (exitCode === 255) return undefined;
    return stdout.trim() === "" ? true : undefined;
  };
  await waitUntil(look, {
    seconds: confirmLimits.secrets,
    pauseMs: 500,
    waitedFor: `${settings.host}: not every secret was decrypted below /run/secrets`,
    advice: `On the host: systemctl status sops-install-secrets. Its flake must declare each of: ${names.join(", ")}.`,
    signal,
  });
}

/** What is needed to reach a host over the tailnet. */
export interface TailnetReach {
  layout: Layout;
  settings: PinnedHost;
  local: Reach["local"];
  signal: AbortSignal;
}

/**
 * Waits for an ssh session over the tailnet with the pinned key: the route that stays after the window is closed.
 * @returns the route on which it answered
 * @throws UserError that says what the tailnet's client or ssh said last
 */
export async function confirmTailnet(
  { layout, settings: { host, sshHostKey }, local, signal }: TailnetReach,
  seconds: number = confirmLimits.tailnet,
): Promise<SshRoute> {
  const settings = { host, sshHostKey, tailnet: "tailscale", sshExposure: "tailnet" } as const;
  let reason: Pick<Objection, "problem" | "fix"> | undefined;
  const route = await poll(
    async () => {
      // Over the tailnet alone: another way proves nothing about it.
      const found = await findRoute({ layout, settings, local: { ...local, targetHost: undefined }, signal });
      if (!found.route) {
        reason = reasonOf(host, found);
        return undefined;
      }
      const { address, proxyCommand } = found.route;
      const { exitCode, stderr } = await ssh(found.route, "true", { timeoutSeconds: 20, signal });
      if (exitCode === 0) return found.route;
      const how = proxyCommand === undefined ? "" : ' through "tailscale nc"';
      reason = { problem: `ssh to ${address}${how} says: ${saidBy(stderr)}` };
      return undefined;
    },
    { seconds, pauseMs: 500, signal },
  );
  if (route !== undefined) return route;
  const problem = `no ssh session over the tailnet within ${seconds} s: ${reason?.problem ?? "nothing was tried."}`;
  const fix =
    reason?.fix ??
    "On the host's console, /run/clawdlets-tailnet/state says whether it joined; journalctl -u clawdlets-tailnet says why not.";
  throw new UserError({ subject: host, problem, fix }, { exitCode: exitCodes.install });
}

/** The host runs a different installation than the requested one, and was not changed. */
export function otherInstallation({ settings, facts }: InstallRequest, seen: HostSeen): UserError {
  return new UserError(
    {
      subject: settings.host,
      problem: `the host runs the installation "${seen.installId}", not ${facts.installId}. It was not changed.`,
      fix: `To wipe it and install it again, raise clawdlets:reinstall in stacks/Pulumi.${settings.host}.yaml.`,
    },
    { exitCode: exitCodes.install },
  );
}
