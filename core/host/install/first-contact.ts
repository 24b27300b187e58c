import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { publicKeyOf } from "../../base/machine/ssh-keys.ts";
import { waitUntil } from "../../base/wait-until.ts";
import { answersOverTailnet } from "../facts/installed-host.ts";
import { firstBootFolder, imageMarker } from "../image/identity.ts";
import { type Answer, askHostKey } from "../reach/host-key.ts";
import { type SshRoute, ssh, withPort } from "../reach/ssh.ts";
import type { Installation } from "../request.ts";
import { bootstrapRoute } from "./bootstrap-keys.ts";

/** Seconds. A Hetzner server boots in well under a minute, but cloud-init can take longer on a busy one. */
export const bootSeconds = 300;

/**
 * Waits for an ssh server with one of our host keys, at the server's address or in the tailnet, and logs in if it is the
 * one-time key.
 * @returns which key it was; undefined if nothing answered within `seconds`
 * @throws UserError for any other key, before anything is sent
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

/** The error for a server that did not answer; nothing was changed. */
export function noContact({ settings, local, facts }: Installation): UserError {
  return new UserError(
    {
      subject: settings.host,
      problem: `no SSH on ${withPort(facts.address, local.sshPort)} within ${bootSeconds} s. Is your address still within ${local.adminCidrs.join(", ")} (hosts.${settings.host}.opentofu.adminCidr in .clawdlets/stack.json)? The server's console shows whether it booted.`,
      fix: `Then run: clawdlets up --host ${settings.host}`,
    },
    { exitCode: exitCodes.install },
  );
}

/** Waits for a session as root with the one-time keys, and for cloud-init to finish. */
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
 * Waits until cloud-init has finished, if the server has it. With `ssh_pwauth` it restarts sshd some seconds after the first login
 * is possible, and refuses connections meanwhile. Its result does not matter: root can log in.
 * @see cloud-init, `cc_set_passwords`; `cloud-init status --wait` exits with 0, 1 or 2
 */
async function waitForCloudInit({ settings, signal }: Installation, route: SshRoute, seconds: number): Promise<void> {
  const command = "command -v cloud-init >/dev/null || exit 0; cloud-init status --wait";
  await waitUntil(
    async () => ((await ssh(route, command, { timeoutSeconds: seconds, signal })).exitCode === 255 ? undefined : true),
    {
      seconds,
      pauseMs: 500,
      waitedFor: `${settings.host}: cloud-init has not finished`,
      advice: `The server's console shows what it is doing. Then run: clawdlets up --host ${settings.host}`,
      signal,
    },
  );
}

/** The system that answers with the one-time keys. */
export interface Before {
  /** The image, a baked snapshot, the installer, or an installer with the disk mounted. */
  runs: "image" | "snapshot" | "installer" | "installer with a disk";
  /** Changes at each boot, including kexec. */
  bootId: string;
}

/** Reads which system runs before NixOS. @throws UserError if there is no session */
export async function lookBefore({ settings, facts, local, host, signal }: Installation): Promise<Before> {
  const route = await bootstrapRoute(host, settings.host, { address: facts.address, port: local.sshPort });
  const command = `[ -e ${imageMarker} ] || [ -e ${firstBootFolder} ]; echo $?; grep -c VARIANT_ID=installer /etc/os-release; grep -c ' /mnt' /proc/mounts; cat /proc/sys/kernel/random/boot_id`;
  const { stdout } = await ssh(route, command, { timeoutSeconds: 20, signal });
  const [, marker, installer, disk, bootId] = /^(\d)\n(\d+)\n(\d+)\n(\S+)\n$/.exec(stdout) ?? [];
  if (bootId === undefined) {
    throw new UserError(
      { subject: settings.host, problem: "lost the ssh session as root.", fix: "Run clawdlets up again." },
      {
        exitCode: exitCodes.install,
      },
    );
  }
  if (installer === "0") return { runs: marker === "0" ? "snapshot" : "image", bootId };
  return { runs: disk === "0" ? "installer" : "installer with a disk", bootId };
}

function unknownKey({ settings, facts, local }: Installation, fingerprint: string): UserError {
  return new UserError(
    {
      subject: settings.host,
      problem: `${withPort(facts.address, local.sshPort)} has the host key ${fingerprint}, which was not created for it. Nothing was sent. This may be a man-in-the-middle attack, or the server was created without this project's user_data: compare the key with the server's console. To start over, delete the server there and run clawdlets up again.`,
    },
    { exitCode: exitCodes.install },
  );
}
