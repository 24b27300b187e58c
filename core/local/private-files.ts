import { chmodSync, lstatSync, mkdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { hasCode, UserError } from "../errors.ts";
import { exitCodes } from "../exit-codes.ts";

/** Makes a folder that only its owner can enter, with the folders above it. An existing wider one is narrowed. */
export function makePrivateFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  if ((lstatSync(path).mode & 0o077) !== 0) chmodSync(path, 0o700);
}

/** Writes a file whole or not at all (temporary file, fsync, rename), readable by its owner alone. */
export async function writePrivateFile(path: string, content: string | Buffer): Promise<void> {
  makePrivateFolder(dirname(path));
  await writeFileAtomic(path, content, { mode: 0o600 });
}

/**
 * Reads a file that has to be private.
 * @throws UserError when it is a link, or others can read it: a key that others could have copied is not used in silence.
 */
export function readPrivateFile(path: string): string | undefined {
  let stat: ReturnType<typeof lstatSync>;
  try {
    stat = lstatSync(path);
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
  if (!stat.isFile()) {
    throw new UserError(`${path} is not a plain file. Put the file itself there, not a link or a folder.`, {
      exitCode: exitCodes.settings,
    });
  }
  if ((stat.mode & 0o077) !== 0) {
    const mode = (stat.mode & 0o777).toString(8).padStart(4, "0");
    throw new UserError(`${path} has mode ${mode}: others on this machine can read it. Mend: chmod 600 '${path}'`, {
      exitCode: exitCodes.settings,
    });
  }
  return readFileSync(path, "utf8");
}
