// @ts-check
// Module hooks, in a thread of Node's own: index.ts is answered with what was made of it.
import { readFile } from "node:fs/promises";

let program = { url: "", file: "" };

/** @param {{ url: string, file: string }} data */
export function initialize(data) {
  program = data;
}

/** @type {import("node:module").LoadHook} */
export async function load(url, context, next) {
  if (url !== program.url) return next(url, context);
  return { format: "module", source: await readFile(program.file, "utf8"), shortCircuit: true };
}
