import { createWriteStream } from "node:fs";
import { rename } from "node:fs/promises";
import { basename, join } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { messageOf, UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { nixSystemOf } from "../../project/settings/server/architecture.ts";

/** The installer that nixos-anywhere fetches by default. @see nix-community/nixos-anywhere 91fc9b7, src/nixos-anywhere.sh */
export const defaultKexec = (serverType: string): string =>
  `https://github.com/nix-community/nixos-images/releases/download/nixos-25.11/nixos-kexec-installer-noninteractive-${nixSystemOf(serverType)}.tar.gz`;

/** Bytes. The default image has about 300 MB. */
const largest = 2 * 1024 ** 3;

export interface KexecImageRequest {
  /** An https URL, or an absolute path on this machine. */
  kexec: string;
  host: string;
  /** Private folder for the image; the caller deletes it. */
  folder: string;
  signal: AbortSignal;
  /** @default Node's own */
  fetch?: typeof fetch;
}

/**
 * Fetches the installer to this machine, for a server that has only IPv6. nixos-anywhere uploads a file, but turns a URL at GitHub, which
 * has no IPv6, into one at gh-v6.com, a third party's proxy.
 * @returns the path of the image; a path is returned unchanged
 * @throws UserError if it cannot be fetched
 */
export async function kexecImage({ kexec, host, folder, signal, ...more }: KexecImageRequest): Promise<string> {
  if (!kexec.startsWith("https://")) return kexec;
  const path = join(folder, basename(new URL(kexec).pathname));
  try {
    const { ok, status, url, body } = await (more.fetch ?? fetch)(kexec, { signal });
    if (!ok || !body) throw new Error(`the answer was ${status}`);
    if (!url.startsWith("https://")) throw new Error(`it redirects to ${new URL(url).origin}, which is not https`);
    const part = `${path}.part`;
    await pipeline(Readable.fromWeb(body), atMost(largest), createWriteStream(part, { flags: "wx", mode: 0o600 }), {
      signal,
    });
    await rename(part, path);
    return path;
  } catch (error) {
    signal.throwIfAborted();
    throw new UserError(
      {
        subject: host,
        problem: `the installer could not be fetched from ${kexec}: ${messageOf(error)}.`,
        fix: "Fetch it by hand, and set clawdlets:install.kexec to its absolute path on this machine.",
      },
      { exitCode: exitCodes.install, cause: error },
    );
  }
}

function atMost(bytes: number): Transform {
  let seen = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      seen += chunk.length;
      done(seen > bytes ? new Error(`it is larger than ${bytes} bytes`) : null, chunk);
    },
  });
}
