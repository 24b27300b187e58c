// @ts-check
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import * as esbuild from "esbuild";
import { alwaysInputs, buildFolder, currentFile, hashOf, root } from "./fresh.mjs";

/** A source that cannot be translated; the message names file and line. */
export class CompileError extends Error {
  name = "CompileError";
}

/** Stays outside: Pulumi's packages share their state with the engine's runner; the others have binaries or load themselves. */
const external = ["@pulumi/*", "esbuild", "tsx", "typescript", "ssh2", "just-bash"];

/** A module that does not need to be traced: without this, nine tenths of the source map would be of other people's code. */
const noMap = `\n//# sourceMappingURL=data:application/json;base64,${Buffer.from('{"version":3,"sources":[""],"mappings":"A"}').toString("base64")}`;

/** What packages in CommonJS take for granted. */
const banner = {
  js: 'import { createRequire as requireFor } from "node:module"; const require = requireFor(import.meta.url);',
};

/**
 * Every module goes on knowing itself by its place: what it finds beside it lies there still.
 * @param {string} path @param {string} text
 */
function inPlace(path, text) {
  const located = text.replaceAll("import.meta.url", JSON.stringify(pathToFileURL(path).href));
  if (!/\b__(file|dir)name\b/.test(located) || path.endsWith(".mjs")) return located;
  const strict = /^\s*(['"])use strict\1/.test(located) ? '"use strict"; ' : "";
  return `${strict}var __filename = ${JSON.stringify(path)}, __dirname = ${JSON.stringify(dirname(path))}; ${located}`;
}

/** @type {esbuild.Plugin} */
const places = {
  name: "places",
  setup(build) {
    build.onLoad({ filter: /\.([cm]?js|ts)$/ }, ({ path }) => {
      const text = inPlace(path, readFileSync(path, "utf8"));
      if (path.endsWith(".ts")) return { contents: text, loader: "ts" };
      return { contents: text.replace(/^\/\/# sourceMappingURL=.*$/m, "") + noMap, loader: "js" };
    });
  },
};

/** How every part is put together. @type {esbuild.BuildOptions} */
export const options = {
  absWorkingDir: root,
  bundle: true,
  platform: "node",
  target: "node20",
  format: "esm",
  outExtension: { ".js": ".mjs" },
  sourcemap: true,
  sourcesContent: false,
  metafile: true,
  external,
  banner,
  plugins: [places],
  logLevel: "silent",
};

/** @typedef {import("./fresh.mjs").Part} Part */

/** @type {Record<Part, esbuild.BuildOptions>} */
const parts = {
  // One file, as it stands in for index.ts.
  program: { entryPoints: { program: "index.ts" } },
  // Many, as each command loads what it needs.
  cli: { entryPoints: { main: "cli/main.ts" }, splitting: true },
  // Started several times an installation, each time waited for.
  guard: { entryPoints: { "guard-main": "core/host/window/guard-main.ts" } },
  anywhere: { entryPoints: { main: "emulator/stand-ins/anywhere/main.ts" } },
  tailnet: { entryPoints: { main: "emulator/stand-ins/tailnet/main.ts" } },
};

/**
 * Puts a part together. Whole or not at all: a folder is complete before its JSON file names it, and two at once make the same.
 * @param {Part} part
 * @returns {Promise<string | undefined>} the folder; undefined where nothing can be written
 */
export async function rebuild(part) {
  const work = join(buildFolder, `new-${part}-${process.pid}`);
  try {
    mkdirSync(work, { recursive: true });
    const inputs = await bundle(part, work);
    const hash = hashOf(part, inputs);
    const folder = join(buildFolder, hash);
    writeFileSync(join(work, "done"), "");
    putInPlace(work, folder);
    const next = join(buildFolder, `new-${part}-${process.pid}.name`);
    writeFileSync(next, JSON.stringify({ hash, inputs }));
    renameSync(next, currentFile(part));
    prune();
    return folder;
  } catch (error) {
    if (isUnwritable(error)) return undefined;
    throw error;
  } finally {
    if (existsSync(work)) rmSync(work, { recursive: true, force: true });
  }
}

/** One that is there was made of the same by another run, which may load from it now. @param {string} work @param {string} folder */
function putInPlace(work, folder) {
  try {
    renameSync(work, folder);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && ["ENOTEMPTY", "EEXIST"].includes(String(error.code))))
      throw error;
  }
}

/** @param {Part} part @param {string} outdir @returns {Promise<string[]>} what it was made of, relative to the package */
async function bundle(part, outdir) {
  try {
    // Written here: what esbuild says of a full disk looks like a mistake in the sources.
    const { metafile, outputFiles } = await esbuild.build({ ...options, ...parts[part], outdir, write: false });
    for (const { path, contents } of outputFiles ?? []) {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, contents);
    }
    const own = Object.keys(metafile?.inputs ?? {}).filter((input) => !input.includes("node_modules/"));
    return [...new Set([...alwaysInputs, ...own])].sort();
  } catch (error) {
    const { errors } = /** @type {esbuild.BuildFailure} */ (error);
    if (!Array.isArray(errors)) throw error;
    const lines = errors.map(({ text, location }) => {
      const place = location ? `${location.file}:${location.line}:${location.column + 1}: ` : "";
      return `  ${place}${text}`;
    });
    throw new CompileError(
      `clawdlets' own sources cannot be put together:\n${lines.join("\n")}\nMend that, or take the sources back (git status shows what differs), and run the same again. A package that is missing: sh scripts/setup.sh`,
    );
  }
}

/** Older ones go, but not at once: a command that runs may still load a part of one. */
function prune() {
  const aDay = 24 * 3600 * 1000;
  const names = readdirSync(buildFolder);
  const kept = names.filter((name) => name.endsWith(".json"));
  const hashes = kept.map((name) => JSON.parse(readFileSync(join(buildFolder, name), "utf8")).hash);
  for (const name of names.filter((name) => !kept.includes(name) && !hashes.includes(name))) {
    const path = join(buildFolder, name);
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat && Date.now() - stat.mtimeMs > aDay) rmSync(path, { recursive: true, force: true });
  }
}

/** On a read-only file system a recursive mkdir of Node 20 fails with ENOENT. @param {unknown} error */
function isUnwritable(error) {
  const codes = ["EACCES", "EPERM", "EROFS", "ENOENT", "ENOSPC", "EDQUOT", "EMFILE", "ENOTDIR", "EIO"];
  return error instanceof Error && "code" in error && codes.includes(String(error.code));
}
