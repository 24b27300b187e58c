// @ts-check
// Module hooks, in Node's loader thread: serve the bundle in place of index.ts.
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
