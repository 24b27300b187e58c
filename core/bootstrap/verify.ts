import { UserError } from "../errors.ts";
import { exitCodes } from "../exit-codes.ts";
import { type ExtraFile, installIdPath } from "./extra-files.ts";
import { type SshRoute, ssh } from "./ssh.ts";

/** What an installed host says of itself. */
export interface HostSeen {
  installId: string;
  /** Store path the host runs now. */
  systemPath: string;
  bootId: string;
}

const separator = "--clawdlets--";

/**
 * Reads the host's marker, running system and boot over an authenticated session, needing no more than the admin's login.
 * @returns undefined when no login is possible (yet)
 */
export async function lookAtHost(route: SshRoute, signal: AbortSignal): Promise<HostSeen | undefined> {
  const command = `cat ${installIdPath}; echo ${separator}; readlink -f /run/current-system; echo ${separator}; cat /proc/sys/kernel/random/boot_id`;
  const { exitCode, stdout } = await ssh(route, command, { timeoutSeconds: 20, signal });
  if (exitCode === 255) return undefined;
  const [installId = "", systemPath = "", bootId = ""] = stdout.split(separator).map((part) => part.trim());
  return { installId, systemPath, bootId };
}

/**
 * Checks owner and mode of everything that was delivered: nixos-anywhere once left such files to uid 1000, which broke sshd
 * (nix-community/nixos-anywhere#326).
 * @throws UserError that lists every file that is not as it was sent
 */
export async function checkDelivered(
  route: SshRoute,
  host: string,
  files: readonly ExtraFile[],
  signal: AbortSignal,
): Promise<void> {
  const paths = files.map(({ path }) => `'${path}'`).join(" ");
  const { stdout } = await ssh(route, `stat -c '%a %u %g %n' ${paths}`, { timeoutSeconds: 20, signal });
  const seen = new Map(
    stdout.split("\n").map((line) => [line.split(" ").slice(3).join(" "), line.split(" ").slice(0, 3).join(" ")]),
  );
  const wrong = files.flatMap(({ path, mode }) => {
    const wanted = `${mode.toString(8)} 0 0`;
    const found = seen.get(path);
    return found === wanted
      ? []
      : [`${path}: wanted mode, owner and group "${wanted}", found ${found ? `"${found}"` : "no such file"}`];
  });
  if (wrong.length > 0) {
    throw new UserError(`${host}: not everything arrived on the host as it was sent.`, {
      exitCode: exitCodes.install,
      details: wrong,
    });
  }
}
