import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { shellQuoted } from "../../base/wording.ts";
import type { ExtraFile } from "../delivery/extra-files.ts";
import { askHost, questions } from "../reach/ask.ts";
import { type SshRoute, ssh } from "../reach/ssh.ts";

/** What an installed host says of itself. */
export interface HostSeen {
  installId: string;
  /** Store path the host runs now. */
  systemPath: string;
  bootId: string;
}

/**
 * Reads the host's marker, running system and boot over an authenticated session, needing no more than the admin's login.
 * @returns undefined when no login is possible (yet)
 */
export async function lookAtHost(route: SshRoute, signal: AbortSignal): Promise<HostSeen | undefined> {
  const { installId, systemPath, bootId } = questions;
  return askHost((command) => ssh(route, command, { timeoutSeconds: 20, signal }), { installId, systemPath, bootId });
}

/** Paths of one command, in characters: an argument may have 128 KiB, and the tree of an operator may be large. */
const maxPathCharacters = 32_000;

/**
 * Checks owner and mode of every file that was delivered: nixos-anywhere once left such files to uid 1000, which broke
 * sshd (nix-community/nixos-anywhere#326). Folders are left out: services take over theirs at the first boot.
 * @returns the operator's own files in folders that only root may enter, e.g. `/root`, where the admin sees nothing
 * @throws UserError that lists every file that is not as it was sent
 */
export async function checkDelivered(
  route: SshRoute,
  host: string,
  delivered: readonly ExtraFile[],
  signal: AbortSignal,
): Promise<string[]> {
  const files = delivered.filter(({ content }) => content !== null);
  const seen = new Map<string, string>();
  const closed: string[] = [];
  for (const paths of inBatches(files.map(({ path }) => path))) {
    const words = paths.map(shellQuoted).join(" ");
    const command = `LC_ALL=C stat -c '%a %u %g %n' ${words}`;
    const { stdout, stderr } = await ssh(route, command, { timeoutSeconds: 20, signal });
    for (const line of stdout.split("\n")) {
      const [, found, path] = /^(\S+ \S+ \S+) (.+)$/.exec(line) ?? [];
      if (found !== undefined && path !== undefined) seen.set(path, found);
    }
    closed.push(...stderr.split("\n").filter((line) => line.endsWith("Permission denied")));
  }
  const unseen = files.filter(
    ({ path, added }) => added && !seen.has(path) && closed.some((line) => line.includes(`'${path}'`)),
  );
  const wrong = files.flatMap((file) => {
    const { path, mode } = file;
    const wanted = `${mode.toString(8)} 0 0`;
    const found = seen.get(path);
    return found === wanted || unseen.includes(file)
      ? []
      : [`${path}: wanted mode, owner and group "${wanted}", found ${found ? `"${found}"` : "no such file"}`];
  });
  if (wrong.length > 0) {
    throw new UserError(
      { subject: host, problem: "not everything arrived on the host as it was sent." },
      {
        exitCode: exitCodes.install,
        details: wrong,
      },
    );
  }
  return unseen.map(({ path }) => path);
}

function inBatches(paths: readonly string[]): string[][] {
  const batches: string[][] = [];
  let left = 0;
  for (const path of paths) {
    left -= path.length;
    if (left < 0) {
      batches.push([]);
      left = maxPathCharacters;
    }
    batches.at(-1)?.push(path);
  }
  return batches;
}
