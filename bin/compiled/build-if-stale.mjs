// @ts-check
import { freshBuild } from "./fresh.mjs";

/**
 * Returns the folder to load a part from, and rebuilds it first if its sources have changed. Only then is esbuild loaded.
 * @param {import("./fresh.mjs").Part} part
 * @returns {Promise<string | undefined>} undefined on a read-only file system: load the TypeScript instead
 * @throws {Error} a CompileError with file, line and the reason
 */
export async function buildIfStale(part) {
  return freshBuild(part) ?? (await (await import("./build.mjs")).rebuild(part));
}
