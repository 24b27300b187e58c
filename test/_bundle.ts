import { basename, join } from "node:path";
import { build } from "esbuild";
import { options } from "../bin/compiled/build.mjs";

/**
 * Puts a program of the tests together into one file below `folder`, for one that is started again and again: by tsx each
 * start costs half a second of processor time. @returns its path
 */
export async function bundle(program: string, folder: string): Promise<string> {
  const name = basename(program, ".ts");
  // What stays outside could not be found from there, and is not needed: should it be, the build says so.
  await build({ ...options, external: [], sourcemap: "inline", entryPoints: { [name]: program }, outdir: folder });
  return join(folder, `${name}.mjs`);
}
