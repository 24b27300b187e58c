// @ts-check
import { freshBuild } from "./fresh.mjs";

/**
 * The folder to load a part from, built first if its sources have changed. esbuild is loaded only then.
 * @param {import("./fresh.mjs").Part} part
 * @returns {Promise<string | undefined>} undefined where nothing can be written: load the TypeScript itself
 * @throws {Error} a CompileError with file, line and the reason
 */
export async function buildIfStale(part) {
  return freshBuild(part) ?? (await (await import("./build.mjs")).rebuild(part));
}
