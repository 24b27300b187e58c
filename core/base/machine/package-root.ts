import { existsSync, readFileSync } from "node:fs";
import { dirname, join, sep } from "node:path";
import { fileURLToPath } from "node:url";

/** Root folder of this package: the clone, or the installed npm package, where the code is one folder deeper. */
export const packageRoot = rootAbove(dirname(fileURLToPath(import.meta.url)));

/** A file that ships with the code, by its path in the sources; the compiled tree has the same structure below `dist`. */
export function inCode(path: string): string {
  const compiled = import.meta.url.endsWith(".js");
  return join(packageRoot, compiled ? "dist" : "", path);
}

/**
 * Folder with the engine's `.toolchain`: the clone, or the project that has installed this package. Not in
 * `node_modules`, which every `npm ci` deletes.
 */
export function engineFolder(root: string): string {
  const folders = root.split(sep);
  const modules = folders.indexOf("node_modules");
  return modules < 0 ? root : folders.slice(0, modules).join(sep) || sep;
}

/** Skips the package.json of the CommonJS build, which only has `type`. */
function rootAbove(folder: string): string {
  const file = join(folder, "package.json");
  if (existsSync(file) && JSON.parse(readFileSync(file, "utf8")).name === "@clawdlets/infra") return folder;
  if (dirname(folder) === folder) throw new Error("no package.json above clawdlets' own code");
  return rootAbove(dirname(folder));
}
