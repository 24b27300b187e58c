import { posix } from "node:path";

/** True for a relative path that ends outside the folder it starts in, whatever it does on the way. */
export function leadsOut(path: string): boolean {
  const normal = posix.normalize(path);
  return posix.isAbsolute(path) || normal === ".." || normal.startsWith("../");
}

/** True for a relative path to something below the folder it starts in, and not the folder itself. */
export function isBelow(path: string): boolean {
  // "~/x" and "$HOME/x" are absolute paths to a shell, and would make a folder called "~" here.
  const isHome = /^(~|\$HOME|\$\{HOME\})(\/|$)/.test(path);
  return !isHome && !leadsOut(path) && !/^\.\/?$/.test(posix.normalize(path));
}
