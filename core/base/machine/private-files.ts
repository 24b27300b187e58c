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
} from "node:fs";
import { rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { hasCode, UserError } from "../errors.ts";
import { exitCodes } from "../exit-codes.ts";
import { atPath } from "../system-errors.ts";

let observer: ((step: string) => void) | undefined;

/**
 * Has `next` called between any two steps that change a file below `.clawdlets`: before a write, between the new content and
 * its rename, and after. Tests kill the process there, at every step in turn; nothing else uses it.
 */
export function observeWrites(next: ((step: string) => void) | undefined): void {
  observer = next;
}

const written = new Set<string>();

/** Files that this process has written and that are there still, for saying truly what a stopped command leaves behind. */
export const filesWritten = (): string[] => [...written].sort();

/** One step that changes something. Exported for the few changes that are made by another program, such as ssh-keygen. */
export function writeStep(step: string): void {
  observer?.(step);
}

/**
 * Makes a folder and those above it, one by one. Node's recursive mkdir says ENOENT on a read-only file system and EEXIST where a
 * file is in the way, and never returns below /proc, where the kernel answers ENOENT although the parent exists (seen on Node 20).
 * @param mode of each folder that is made; by default as the umask says
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

/** Makes a folder that only its owner can enter, with the folders above it. An existing wider one is narrowed. */
export function makePrivateFolder(path: string): void {
  makeFolders(path, 0o700);
  if ((lstatSync(path).mode & 0o077) !== 0) chmodSync(path, 0o700);
}

/**
 * Writes a file whole or not at all (temporary file, fsync, rename, fsync of the folder), readable by its owner alone.
 * @throws UserError when a link stands there: the content would end where the link leads
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

/** Writes a file that is committed or otherwise public, whole or not at all; its mode stays, or is as the umask says. */
export async function writePublicFile(path: string, content: string): Promise<void> {
  makeFolders(dirname(path));
  writeStep(`write ${path}`);
  await atomically(path, content, {});
  written.add(path);
  writeStep(`wrote ${path}`);
}

/**
 * The same in one go, for a copy that is made on the way to something else. It is no file of the project, so it is not among
 * {@link filesWritten}.
 */
export function writePrivateFileSync(path: string, content: string | Buffer): void {
  refuseLink(path);
  writeStep(`write ${path}`);
  try {
    writeFileAtomic.sync(path, content, { mode: 0o600 });
  } catch (error) {
    throw atPath(error, path);
  }
  syncFolder(dirname(path));
  writeStep(`wrote ${path}`);
}

/** @throws the system's error, which names the file that was to be written, not a temporary one or none */
async function atomically(path: string, content: string | Buffer, options: { mode?: number }): Promise<void> {
  try {
    await writeFileAtomic(path, content, { ...options, tmpfileCreated: (file) => writeStep(`fill ${file}`) });
  } catch (error) {
    throw atPath(error, path);
  }
}

/** Puts a file in the place of another in one step, durably. */
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

/** `x.yaml.1234567`: what write-file-atomic leaves when it is killed between content and rename. */
const leftover = /.\.[0-9]{4,10}$/;

export const isLeftover = (name: string): boolean => leftover.test(name);

/** Removes what killed writers left in one folder. Only for who holds the lock: a living writer's file looks the same. */
export async function sweepLeftovers(folder: string): Promise<void> {
  const names = readFolder(folder).filter(isLeftover);
  for (const name of names) await removePrivateFile(join(folder, name));
}

/** The names in a folder, none when there is no such folder. */
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
 * @throws UserError when it is a link, or others can read it: a key that others could have copied is not used in silence.
 */
export function readPrivateFile(path: string): string | undefined {
  const stat = statOf(path);
  if (!stat) return undefined;
  if (!stat.isFile()) throw notPlain(path);
  if ((stat.mode & 0o077) !== 0) {
    const mode = (stat.mode & 0o777).toString(8).padStart(4, "0");
    throw new UserError(`${path} has mode ${mode}: others on this machine can read it. Mend: chmod 600 '${path}'`, {
      exitCode: exitCodes.settings,
    });
  }
  return readFileSync(path, "utf8");
}

/** Reads a file that anybody may read, but that has to be a file. @returns undefined when there is none */
export function readPublicFile(path: string): string | undefined {
  const stat = statOf(path);
  if (!stat) return undefined;
  if (!stat.isFile()) throw notPlain(path);
  return readFileSync(path, "utf8");
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

/** A rename is on the disk only once its folder is: without this a power cut could bring the old name back. */
export function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
