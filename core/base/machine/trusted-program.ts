import { lstatSync, realpathSync, type Stats } from "node:fs";
import { dirname } from "node:path";
import { hasCode } from "../errors.ts";

/**
 * Who else can change a program: its owner or its mode, or those of a folder above it, links resolved.
 * @returns `/opt/x is writable by every user`, or undefined where only this user or root can change it, or where it does not exist
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

/** @returns undefined where nothing is there, or where we may not look */
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
  // Root's group, macOS' administrators, and a group of the user's own, which Linux gives the user's number.
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
