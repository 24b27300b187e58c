import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { publicKeyOf } from "../../base/machine/ssh-keys.ts";
import { waitUntil } from "../../base/wait-until.ts";
import { answersOverTailnet } from "../facts/installed-host.ts";
import { type Answer, askHostKey } from "../reach/host-key.ts";
import { type SshRoute, ssh } from "../reach/ssh.ts";
import type { Installation } from "../request.ts";
import { bootstrapRoute } from "./bootstrap-keys.ts";

/** A Hetzner server boots in well under a minute; cloud-init on a busy one takes longer. Seconds. */
export const bootSeconds = 300;

/**
 * Waits for an ssh server that shows a key we made, and logs in under it when it is the one-time key. Looks at the server's
 * address, and in the tailnet where an installed host has joined one.
 * @returns which key it was; undefined when nothing answered within `seconds`
 * @throws UserError on any other key: before anything was sent
 */
export async function firstContact(
  installation: Installation,
  seconds = bootSeconds,
  loginSeconds = bootSeconds,
): Promise<"bootstrap" | "final" | undefined> {
  const { settings, local, facts, host, signal } = installation;
  const known = { bootstrap: publicKeyOf(host.bootstrapHostKey), final: settings.sshHostKey };
  const target = { address: facts.address, port: local.sshPort };
  const deadline = performance.now() + seconds * 1000;
  const answer = await waitUntil<Answer>(
    async () => {
      const seen = await askHostKey(target, known, signal);
      if (seen.kind === "none" && (await answersOverTailnet(installation))) return { kind: "final" };
      return seen.kind === "none" && performance.now() < deadline ? undefined : seen;
    },
    { seconds: seconds + 60, pauseMs: 300, waitedFor: `${settings.host}: no SSH`, advice: "", signal },
  );
  if (answer.kind === "none") return undefined;
  if (answer.kind === "other") throw unknownKey(installation, answer.fingerprint);
  if (answer.kind === "bootstrap") await logInAsRoot(installation, loginSeconds);
  return answer.kind;
}

/** Nothing answered, and nothing was done about it. */
export function noContact({ settings, local, facts }: Installation): UserError {
  return new UserError(
    {
      subject: settings.host,
      problem: `no SSH on ${facts.address}:${local.sshPort} within ${bootSeconds} s. Is your address still within ${local.adminCidrs.join(", ")} (hosts.${settings.host}.opentofu.adminCidr in .clawdlets/stack.json)? The server's console shows whether it booted.`,
      fix: `Then: clawdlets up --host ${settings.host}`,
    },
    { exitCode: exitCodes.install },
  );
}

/** Waits for a session as root under the one-time keys, and for cloud-init to leave sshd alone. */
export async function logInAsRoot(installation: Installation, seconds = bootSeconds): Promise<void> {
  const { settings, facts, local, host, signal } = installation;
  const route = await bootstrapRoute(host, settings.host, { address: facts.address, port: local.sshPort });
  await waitUntil(
    async () => ((await ssh(route, "true", { timeoutSeconds: 20, signal })).exitCode === 0 ? true : undefined),
    {
      seconds,
      pauseMs: 500,
      waitedFor: `${settings.host}: no login as root with the one-time key`,
      advice: "cloud-init may have failed: the server's console shows its log.",
      signal,
    },
  );
  await waitForCloudInit(installation, route, seconds);
}

/**
 * Waits until cloud-init has ended, where there is one. `ssh_pwauth` has it restart sshd some seconds after the first login is
 * possible, and whoever connects just then is refused. Whether it ended well does not matter: root got in.
 * @see cloud-init, `cc_set_passwords`; `cloud-init status --wait` exits with 0, 1 or 2
 */
async function waitForCloudInit({ settings, signal }: Installation, route: SshRoute, seconds: number): Promise<void> {
  const command = "command -v cloud-init >/dev/null || exit 0; cloud-init status --wait";
  await waitUntil(
    async () => ((await ssh(route, command, { timeoutSeconds: seconds, signal })).exitCode === 255 ? undefined : true),
    {
      seconds,
      pauseMs: 500,
      waitedFor: `${settings.host}: cloud-init has not ended`,
      advice: `The server's console shows what it is doing. Then: clawdlets up --host ${settings.host}`,
      signal,
    },
  );
}

/** What answers behind the one-time keys. */
export interface Before {
  /** The image, the installer as it came up, or one that has begun with the disk. */
  runs: "image" | "installer" | "installer with a disk";
  /** Another one after each boot, kexec included. */
  bootId: string;
}

/** @throws UserError when it cannot be asked */
export async function lookBefore({ settings, facts, local, host, signal }: Installation): Promise<Before> {
  const route = await bootstrapRoute(host, settings.host, { address: facts.address, port: local.sshPort });
  const command =
    "grep -c VARIANT_ID=installer /etc/os-release; grep -c ' /mnt' /proc/mounts; cat /proc/sys/kernel/random/boot_id";
  const { stdout } = await ssh(route, command, { timeoutSeconds: 20, signal });
  const [, installer, disk, bootId] = /^(\d+)\n(\d+)\n(\S+)\n$/.exec(stdout) ?? [];
  if (bootId === undefined) {
    throw new UserError(
      { subject: settings.host, problem: "the session as root broke off.", fix: "Run clawdlets up again." },
      {
        exitCode: exitCodes.install,
      },
    );
  }
  if (installer === "0") return { runs: "image", bootId };
  return { runs: disk === "0" ? "installer" : "installer with a disk", bootId };
}

function unknownKey({ settings, facts, local }: Installation, fingerprint: string): UserError {
  return new UserError(
    {
      subject: settings.host,
      problem: `${facts.address}:${local.sshPort} answers with the host key ${fingerprint}, which is none that was made for it. Nothing was sent. Somebody may be in between, or the server was made without this project's user_data: compare with the server's console; to start over, delete the server there and run clawdlets up again.`,
    },
    { exitCode: exitCodes.install },
  );
}
