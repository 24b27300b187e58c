// @ts-check
// Build cache. Node 20 cannot load TypeScript, and compiling at every start costs more than half of a command's time. So the program,
// the commands and their helpers are bundled into .toolchain/build, and again when a source has changed. Staleness is decided by
// content hashes: a checkout, a copy or a clock changes modification times, and a merge may keep them.
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** Folder of the installed package. */
export const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

export const buildFolder = join(root, ".toolchain", "build");

/** Separate bundles, so that changing a command does not rebuild the program. @typedef {"program" | "cli" | "guard" | "anywhere" | "tailnet"} Part */

/** @param {Part} part */
export const currentFile = (part) => join(buildFolder, `${part}.json`);

/**
 * @typedef {object} Current
 * @property {string} hash of the inputs, which is also the name of the build folder
 * @property {string[]} inputs relative to the package
 */

/** Inputs besides the sources: bundled packages and the build script. */
export const alwaysInputs = ["package-lock.json", "bin/compiled/build.mjs"];

/** @param {Part} part @param {string[]} inputs a missing one counts as a change */
export function hashOf(part, inputs) {
  // The folder, because modules depend on their path; the Node version, because bundles are built for one.
  const hash = createHash("sha256").update(`${part}\0${root}\0${process.version}`);
  for (const input of inputs) {
    const file = join(root, input);
    hash.update(`\0${input}\0`).update(existsSync(file) ? readFileSync(file) : "\0gone");
  }
  return hash.digest("hex").slice(0, 32);
}

/** @param {Part} part @returns {string | undefined} the build folder, if it is up to date */
export function freshBuild(part) {
  const file = currentFile(part);
  if (!existsSync(file)) return undefined;
  /** @type {Current} */
  const { hash, inputs } = JSON.parse(readFileSync(file, "utf8"));
  const folder = join(buildFolder, hash);
  return hashOf(part, inputs) === hash && existsSync(join(folder, "done")) ? folder : undefined;
}
