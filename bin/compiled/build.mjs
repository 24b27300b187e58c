// @ts-check
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import * as esbuild from "esbuild";
import { alwaysInputs, buildFolder, currentFile, hashOf, root } from "./fresh.mjs";

/** A source file that does not compile; the message names file and line. */
export class CompileError extends Error {
  name = "CompileError";
}

/** Not bundled: Pulumi's packages share state with the engine's runner; the others have binaries or load themselves. */
const external = ["@pulumi/*", "esbuild", "tsx", "typescript", "ssh2", "just-bash"];

/** An empty source map for dependencies: they would be nine tenths of the source map. */
const noMap = `\n//# sourceMappingURL=data:application/json;base64,${Buffer.from('{"version":3,"sources":[""],"mappings":"A"}').toString("base64")}`;

/** Globals that CommonJS packages expect. */
const banner = {
  js: 'import { createRequire as requireFor } from "node:module"; const require = requireFor(import.meta.url);',
};

/**
 * Keeps import.meta.url and __dirname of every module, so that it still finds the files next to its source.
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

/** Options for every bundle. @type {esbuild.BuildOptions} */
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
  // Its CommonJS build, the default for Node, hides its own imports from bundlers.
  alias: { "jsonc-parser": "jsonc-parser/lib/esm/main.js" },
  banner,
  plugins: [places],
  logLevel: "silent",
};

/** @typedef {import("./fresh.mjs").Part} Part */

/** @type {Record<Part, esbuild.BuildOptions>} */
const parts = {
  // A single file, since it replaces index.ts.
  program: { entryPoints: { program: "index.ts" } },
  // Several chunks, as each command loads only what it needs.
  cli: { entryPoints: { main: "cli/main.ts" }, splitting: true },
  // Started several times per installation, so start-up time counts.
  guard: {
    entryPoints: {
      "guard-main": "core/host/window/guard-main.ts",
      "bake-guard-main": "core/tasks/images/bake-guard-main.ts",
    },
  },
  anywhere: { entryPoints: { main: "emulator/stand-ins/anywhere/main.ts" } },
  tailnet: { entryPoints: { main: "emulator/stand-ins/tailnet/main.ts" } },
};

/**
 * Bundles one part. Atomic: a folder is complete before its JSON file names it, and concurrent builds produce the same.
 * @param {Part} part
 * @returns {Promise<string | undefined>} the folder; undefined on a read-only file system
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

/** An existing folder was built from the same inputs by another run, which may be loading from it. @param {string} work @param {string} folder */
function putInPlace(work, folder) {
  try {
    renameSync(work, folder);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && ["ENOTEMPTY", "EEXIST"].includes(String(error.code))))
      throw error;
  }
}

/** @param {Part} part @param {string} outdir @returns {Promise<string[]>} the inputs, relative to the package */
async function bundle(part, outdir) {
  try {
    // Written by us: esbuild reports a full disk like an error in the sources.
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
      `clawdlets' own sources do not compile:\n${lines.join("\n")}\nFix them, or restore them (see git status), and run the same command again. If a package is missing: sh scripts/setup.sh`,
    );
  }
}

/** Deletes old builds, but not at once: a running command may still be loading from one. */
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
