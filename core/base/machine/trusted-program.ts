import { lstatSync, realpathSync, type Stats } from "node:fs";
import { dirname } from "node:path";
import { hasCode } from "../errors.ts";

/**
 * Says who else can change a program, by owner and mode of the program and of every folder above it, with links resolved.
 * @returns `/opt/x is writable by every user`, or undefined if only this user or root can change it, or it does not exist
 */
export function changeableBy(path: string): string | undefined {
  const real = realPath(path);
  if (real === undefined) return undefined;
  for (const each of new Set([real, ...foldersAbove(real), ...foldersAbove(path)])) {
    const why = whoseElse(lstatSync(each));
    if (why !== undefined) return `${each} ${why}`;
  }
  return undefined;
}

/** @returns undefined if the path does not exist, or we may not read it */
export function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR", "ELOOP", "EACCES")) return undefined;
    throw error;
  }
}

function whoseElse(stat: Stats): string | undefined {
  const uid = process.getuid?.() ?? stat.uid;
  if (stat.uid !== 0 && stat.uid !== uid) return `belongs to user ${stat.uid}`;
  if (stat.isSymbolicLink()) return undefined;
  // In a sticky folder such as /tmp only the owner of an entry can replace it.
  if (stat.isDirectory() && (stat.mode & 0o1000) !== 0) return undefined;
  if ((stat.mode & 0o002) !== 0) return "is writable by every user";
  // Trusted groups: root's, macOS' admin group (80), and the user private group, whose id on Linux is the user's.
  const isTrusted = stat.gid === 0 || stat.gid === uid || (process.platform === "darwin" && stat.gid === 80);
  return (stat.mode & 0o020) !== 0 && !isTrusted ? `is writable by group ${stat.gid}` : undefined;
}

function foldersAbove(path: string): string[] {
  const folders: string[] = [];
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    folders.push(folder);
    if (dirname(folder) === folder) return folders;
  }
}
