// @ts-check
import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { buildIfStale } from "./build-if-stale.mjs";
import { root } from "./fresh.mjs";
import { mapStacksLate } from "./late-modules.cjs";
import "./own-user.cjs";
import { withNothingShared } from "./tsx.cjs";

/**
 * The module to load for a program of this package. A clone bundles it from source (fresh.mjs), or loads the TypeScript if the bundle
 * cannot be stored; the package ships it compiled.
 * @param {import("./fresh.mjs").Part} part
 * @param {string} path of its source, relative to the package
 * @returns {Promise<string>} URL to import
 * @throws {Error} a CompileError with file, line and reason
 */
export async function moduleOf(part, path) {
  const source = join(root, path);
  const name = basename(path, ".ts");
  if (!existsSync(source)) return pathToFileURL(join(root, "dist", path, "..", `${name}.js`)).href;
  const folder = await buildIfStale(part);
  if (folder === undefined) {
    await withNothingShared(async () => (await import("tsx/esm/api")).register());
    return pathToFileURL(source).href;
  }
  mapStacksLate();
  return pathToFileURL(join(folder, `${name}.mjs`)).href;
}
