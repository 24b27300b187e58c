import { lstatSync, realpathSync, type Stats } from "node:fs";
import { dirname, isAbsolute, relative } from "node:path";
import { hasCode } from "../../base/errors.ts";
import { packageRoot } from "../../base/machine/package-root.ts";
import { leadsOut } from "../../base/text/inside.ts";
import { quoted } from "../../base/wording.ts";
import type { Layout } from "../layout.ts";
import { isTracked } from "../own-folder.ts";

/** Each with the bare name that PATH is searched for, which may be typed out. */
export const programKeys = {
  NIX_BIN: "nix",
  CLAWDLETS_NIXOS_ANYWHERE: "nixos-anywhere",
  CLAWDLETS_TAILSCALE: "tailscale",
} as const;

/**
 * Why a program that settings name must not be started: somebody else could have put it there, or could change it. One that is
 * not there is not a problem of trust; whoever starts it says so.
 */
export function programProblem(layout: Layout, key: keyof typeof programKeys, path: string): string | undefined {
  if (path === programKeys[key]) return undefined;
  if (!isAbsolute(path)) return `is ${quoted(path)}; allowed: an absolute path, e.g. /usr/bin/${programKeys[key]}.`;
  const real = realPath(path);
  if (real === undefined) return undefined;
  for (const each of new Set([real, ...foldersAbove(real), ...foldersAbove(path)])) {
    const why = whoseElse(lstatSync(each));
    if (why !== undefined)
      return `is ${quoted(path)}, but ${each} ${why}. Name a program that only you or root can change.`;
  }
  // The program that runs is as trusted as its own stand-ins, which a clone of this project tracks.
  const isOurs = !leadsOut(relative(realpathSync(packageRoot), real));
  const inProject = relative(realpathSync(layout.root), real);
  if (!leadsOut(inProject) && !isOurs && isTracked(layout, inProject)) {
    return `is ${quoted(path)}, which git tracks: it came with the repository. Name a program outside of it.`;
  }
  return undefined;
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

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR", "ELOOP", "EACCES")) return undefined;
    throw error;
  }
}
