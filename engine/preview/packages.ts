import { existsSync, lstatSync, readdirSync, realpathSync } from "node:fs";
import { join, sep } from "node:path";

/**
 * The folders that have to be readable for the packages of a `node_modules` folder to load: the folder itself, and what its links
 * lead to. Package managers link packages that stand elsewhere: pnpm and workspaces to a `node_modules` folder further up,
 * workspaces to a folder of the project.
 *
 * A repository chooses where a link leads (`"x": "file:/home/ci"` in its package.json), so a link counts only if it leads into a
 * `node_modules` folder, or to a package inside the project that does not hold `keep`.
 * @param packages a `node_modules` folder
 * @param project root of the project
 * @param keep a folder that must not become readable
 * @returns real paths, each once
 */
export function readablePackages(packages: string, project: string, keep: string): string[] {
  const own = realpathSync(packages);
  const root = realpathSync(project);
  const targets = linksOf(own).flatMap((target) => {
    if (isInside(target, own)) return [];
    const parts = target.split(sep);
    const outermost = parts.indexOf("node_modules");
    if (outermost !== -1) return [parts.slice(0, outermost + 1).join(sep)];
    const isPackage = existsSync(join(target, "package.json"));
    return isInside(target, root) && isPackage && !isInside(keep, target) && !isInside(target, keep) ? [target] : [];
  });
  return [...new Set([own, ...targets])];
}

/** Where the links among the packages lead, those of a scope included. A link to nothing is left out. */
function linksOf(packages: string): string[] {
  const names = readdirSync(packages).filter((name) => !name.startsWith("."));
  const paths = names.flatMap((name) => {
    const path = join(packages, name);
    if (!name.startsWith("@") || lstatSync(path).isSymbolicLink()) return [path];
    return readdirSync(path).map((each) => join(path, each));
  });
  return paths.filter((path) => lstatSync(path).isSymbolicLink() && existsSync(path)).map((path) => realpathSync(path));
}

const isInside = (path: string, folder: string): boolean => `${path}${sep}`.startsWith(`${folder}${sep}`);
