import { posix } from "node:path";

/** True for a path that, once normalized, leads out of the folder it is relative to (path traversal), or is absolute. */
export function leadsOut(path: string): boolean {
  const normal = posix.normalize(path);
  return posix.isAbsolute(path) || normal === ".." || normal.startsWith("../");
}

/** True for a relative path to something below the folder, but not the folder itself. */
export function isBelow(path: string): boolean {
  // "~/x" and "$HOME/x" are absolute paths in a shell, but would create a folder called "~" here.
  const isHome = /^(~|\$HOME|\$\{HOME\})(\/|$)/.test(path);
  return !isHome && !leadsOut(path) && !/^\.\/?$/.test(posix.normalize(path));
}
