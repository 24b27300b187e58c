import type { Stats } from "node:fs";
import {
  chmodSync,
  closeSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { hasCode, UserError } from "../errors.ts";
import { exitCodes } from "../exit-codes.ts";
import { written } from "../stopped.ts";
import { atPath } from "../system-errors.ts";

let observer: ((step: string) => void) | undefined;

/**
 * Test hook: calls `next` between any two steps that change a file below `.clawdlets`: before a write, between the new content and
 * its rename, and after. Crash tests kill the process at each step in turn.
 */
export function observeWrites(next: ((step: string) => void) | undefined): void {
  observer = next;
}

/** Reports one step that changes a file. Exported for the few changes that another program makes, such as ssh-keygen. */
export function writeStep(step: string): void {
  observer?.(step);
}

/**
 * Creates a folder and its parents, one by one. Node's recursive mkdir reports ENOENT on a read-only file system and EEXIST if a
 * file is in the way, and hangs below /proc, where the kernel answers ENOENT although the parent exists (seen on Node 20).
 * @param mode of each new folder. @default that of the umask
 */
export function makeFolders(path: string, mode?: number): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
  if (!statSync(dirname(path), { throwIfNoEntry: false })) makeFolders(dirname(path), mode);
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    const isThere = hasCode(error, "EEXIST") && statSync(path, { throwIfNoEntry: false })?.isDirectory();
    if (!isThere) throw error; // Otherwise another process made it first.
  }
}

/** Creates a folder with mode 0700, and its parents. An existing folder with a wider mode is restricted. */
export function makePrivateFolder(path: string): void {
  makeFolders(path, 0o700);
  if ((lstatSync(path).mode & 0o077) !== 0) chmodSync(path, 0o700);
}

/**
 * Writes a file atomically (temporary file, fsync, rename, fsync of the folder), with mode 0600.
 * @throws UserError if the path is a symbolic link: the content would end up at its target
 */
export async function writePrivateFile(path: string, content: string | Buffer): Promise<void> {
  makePrivateFolder(dirname(path));
  refuseLink(path);
  writeStep(`write ${path}`);
  await atomically(path, content, { mode: 0o600 });
  syncFolder(dirname(path));
  written.add(path);
  writeStep(`wrote ${path}`);
}

/** Atomically writes a file that is committed or otherwise public. Keeps its mode; a new file gets that of the umask. */
export async function writePublicFile(path: string, content: string): Promise<void> {
  makeFolders(dirname(path));
  writeStep(`write ${path}`);
  await atomically(path, content, {});
  written.add(path);
  writeStep(`wrote ${path}`);
}

/**
 * The same synchronously, for copies outside the project, which `written` does not list.
 */
export function writePrivateFileSync(path: string, content: string | Buffer): void {
  refuseLink(path);
  writeStep(`write ${path}`);
  try {
    // Types do not know that the synchronous form calls it, too.
    writeFileAtomic.sync(path, "", { mode: 0o600, tmpfileCreated: fill(content) } as { mode: number });
  } catch (error) {
    throw atPath(error, path);
  }
  syncFolder(dirname(path));
  writeStep(`wrote ${path}`);
}

/**
 * Fills the temporary file. Not write-file-atomic, which writes once: on a disk with room for a part, the kernel takes that part without
 * an error, and the library would put it in place of the file that was whole.
 */
const fill = (content: string | Buffer) => (file: string) => {
  writeStep(`fill ${file}`);
  writeFileSync(file, content);
};

/** @throws the system error, naming the file that should have been written instead of a temporary file */
async function atomically(path: string, content: string | Buffer, options: { mode?: number }): Promise<void> {
  try {
    await writeFileAtomic(path, "", { ...options, tmpfileCreated: fill(content) });
  } catch (error) {
    throw atPath(error, path);
  }
}

/** Replaces a file with another one, atomically and durably. */
export async function movePrivateFile(from: string, to: string): Promise<void> {
  makePrivateFolder(dirname(to));
  writeStep(`move ${from}`);
  await rename(from, to);
  syncFolder(dirname(to));
  written.delete(from);
  written.add(to);
  writeStep(`moved ${to}`);
}

export async function removePrivateFile(path: string): Promise<void> {
  writeStep(`remove ${path}`);
  await rm(path, { force: true });
  written.delete(path);
  writeStep(`removed ${path}`);
}

/** `x.yaml.1234567`: the temporary file that write-file-atomic leaves if it is killed before the rename. */
const leftover = /.\.[0-9]{4,10}$/;

export const isLeftover = (name: string): boolean => leftover.test(name);

/** Deletes the temporary files of killed writers in one folder. Hold the lock: a running writer's file looks the same. */
export async function sweepLeftovers(folder: string): Promise<void> {
  const names = readFolder(folder).filter(isLeftover);
  for (const name of names) await removePrivateFile(join(folder, name));
}

/** The names in a folder; empty if the folder does not exist. */
export function readFolder(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR")) return [];
    throw error;
  }
}

/**
 * Reads a file that has to be private.
 * @throws UserError if it is a link, or others can read it: a key that others may have copied must not be used silently
 */
export function readPrivateFile(path: string): string | undefined {
  const stat = statOf(path);
  if (!stat) return undefined;
  if (!stat.isFile()) throw notPlain(path);
  if ((stat.mode & 0o077) !== 0) {
    const mode = (stat.mode & 0o777).toString(8).padStart(4, "0");
    throw new UserError(`${path} has mode ${mode}: others on this machine can read it. Fix: chmod 600 '${path}'`, {
      exitCode: exitCodes.settings,
    });
  }
  refuseTooLarge(path, stat.size);
  return readFileSync(path, "utf8");
}

/** Reads a file that may be public but has to be a plain file. @returns undefined if it does not exist */
export function readPublicFile(path: string): string | undefined {
  const stat = statOf(path);
  if (!stat) return undefined;
  if (!stat.isFile()) throw notPlain(path);
  refuseTooLarge(path, stat.size);
  return readFileSync(path, "utf8");
}

const mebibyte = 1024 * 1024;

/** Far more than a state or a log has. Node fails without naming the file: at 512 MiB for text, at 2 GiB for anything. */
const mostMebibytes = 256;

/** @throws UserError before a file is read that does not fit. @param most MiB */
export function refuseTooLarge(path: string, bytes: number, most = mostMebibytes): void {
  if (bytes <= most * mebibyte) return;
  const problem = `${path} has ${Math.ceil(bytes / mebibyte)} MiB; allowed: at most ${most} MiB.`;
  const fix = "Check that it is the right file.";
  throw new UserError({ code: "file-unreadable", subject: "", problem, fix }, { exitCode: exitCodes.settings });
}

function refuseLink(path: string): void {
  const stat = statOf(path);
  if (stat && !stat.isFile()) throw notPlain(path);
}

function notPlain(path: string): UserError {
  return new UserError(
    { subject: "", problem: `${path} is not a plain file.`, fix: "Put the file itself there, not a link or a folder." },
    {
      exitCode: exitCodes.settings,
    },
  );
}

function statOf(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
}

/** fsync of a folder, which makes a rename durable: without it a power failure could undo the rename. */
export function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
