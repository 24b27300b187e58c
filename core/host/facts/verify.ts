import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { shellQuoted } from "../../base/wording.ts";
import type { ExtraFile } from "../delivery/extra-files.ts";
import { askHost, questions } from "../reach/ask.ts";
import { type SshRoute, ssh } from "../reach/ssh.ts";

/** What an installed host reports. */
export interface HostSeen {
  installId: string;
  /** Store path the host runs now. */
  systemPath: string;
  bootId: string;
}

/**
 * Reads the host's installation id, running system and boot id over an authenticated session; the admin login is enough.
 * @returns undefined when no login is possible (yet)
 */
export async function lookAtHost(route: SshRoute, signal: AbortSignal): Promise<HostSeen | undefined> {
  const { installId, systemPath, bootId } = questions;
  return askHost((command) => ssh(route, command, { timeoutSeconds: 20, signal }), { installId, systemPath, bootId });
}

/** Characters of paths in one command: Linux limits an argument to 128 KiB, and an operator's tree may be large. */
const maxPathCharacters = 32_000;

/**
 * Checks owner and mode of every delivered file: nixos-anywhere once left such files owned by uid 1000, which broke sshd
 * (nix-community/nixos-anywhere#326). Folders are not checked: services take ownership of theirs at the first boot.
 * @returns the operator's own files that the admin cannot inspect because only root may enter their folder, e.g. `/root`
 * @throws UserError that lists every file that is missing or has the wrong owner or mode
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
  const wantedOf = ({ mode }: ExtraFile) => `${mode.toString(8)} 0 0`;
  const wrongFiles = files.filter((file) => seen.get(file.path) !== wantedOf(file) && !unseen.includes(file));
  const wrong = wrongFiles.map((file) => {
    const found = seen.get(file.path);
    const was = found === undefined ? "no such file" : `"${found}"`;
    return `${file.path}: wanted mode, owner and group "${wantedOf(file)}", found ${was}`;
  });
  if (wrong.length > 0) {
    const fix = wrongFiles.some(({ added }) => added)
      ? `Files in .clawdlets/extra-files/${host}/ are sent before the host's first boot only. If you changed them since, undo that, or raise clawdlets:reinstall, which WIPES THE DISK.`
      : undefined;
    throw new UserError(
      {
        subject: host,
        problem: "some files are missing on the host, or have the wrong owner or mode.",
        ...(fix && { fix }),
      },
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
