// @ts-check
// Node 20 cannot load TypeScript, and translating it at every start costs more than half of a command's time. So program,
// commands and what they start are put together once, into .toolchain/build, and again when a source has changed. What
// decides is content: a checkout, a copy or a clock changes times, and a merge may keep them.
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** Folder of the installed package. */
export const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

export const buildFolder = join(root, ".toolchain", "build");

/** What is put together, each by itself: a change of a command is none of the program. @typedef {"program" | "cli" | "guard" | "anywhere" | "tailnet"} Part */

/** @param {Part} part */
export const currentFile = (part) => join(buildFolder, `${part}.json`);

/**
 * @typedef {object} Current
 * @property {string} hash of the inputs, and the name of the folder that was made of them
 * @property {string[]} inputs relative to the package
 */

/** What decides beside the sources: the packages that are put in too, and how it is done. */
export const alwaysInputs = ["package-lock.json", "bin/compiled/build.mjs"];

/** @param {Part} part @param {string[]} inputs one that is gone counts as such */
export function hashOf(part, inputs) {
  // The folder, since sources know themselves by their path; Node, since what is put together is for one.
  const hash = createHash("sha256").update(`${part}\0${root}\0${process.version}`);
  for (const input of inputs) {
    const file = join(root, input);
    hash.update(`\0${input}\0`).update(existsSync(file) ? readFileSync(file) : "\0gone");
  }
  return hash.digest("hex").slice(0, 32);
}

/** @param {Part} part @returns {string | undefined} the folder of the build, if it is of these very sources */
export function freshBuild(part) {
  const file = currentFile(part);
  if (!existsSync(file)) return undefined;
  /** @type {Current} */
  const { hash, inputs } = JSON.parse(readFileSync(file, "utf8"));
  const folder = join(buildFolder, hash);
  return hashOf(part, inputs) === hash && existsSync(join(folder, "done")) ? folder : undefined;
}
