import { existsSync, readFileSync } from "node:fs";
import { dirname, join, sep } from "node:path";
import { fileURLToPath } from "node:url";

/** Folder of this package: of the clone, or of what npm installed, where the code lies a folder deeper. */
export const packageRoot = rootAbove(dirname(fileURLToPath(import.meta.url)));

/** A file that goes with the code, by its path in the sources; compiled, the tree is the same below `dist`. */
export function inCode(path: string): string {
  const compiled = import.meta.url.endsWith(".js");
  return join(packageRoot, compiled ? "dist" : "", path);
}

/**
 * Folder with the engine's `.toolchain`: that of the clone, or else of the project that has installed this package. Not in
 * `node_modules`, which every `npm ci` empties.
 */
export function engineFolder(root: string): string {
  const folders = root.split(sep);
  const modules = folders.indexOf("node_modules");
  return modules < 0 ? root : folders.slice(0, modules).join(sep) || sep;
}

/** The CommonJS half of the package has a package.json of its own, which says no more than that. */
function rootAbove(folder: string): string {
  const file = join(folder, "package.json");
  if (existsSync(file) && JSON.parse(readFileSync(file, "utf8")).name === "@clawdlets/infra") return folder;
  if (dirname(folder) === folder) throw new Error("no package.json above clawdlets' own code");
  return rootAbove(dirname(folder));
}
