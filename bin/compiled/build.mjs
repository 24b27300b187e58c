// @ts-check
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
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

/** @type {esbuild.BuildOptions} */
const options = {
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

/**
 * Puts program and commands together. Whole or not at all: a folder is complete before `current.json` names it, and two at
 * once make the same.
 * @returns {Promise<string | undefined>} the folder; undefined where nothing can be written
 */
export async function rebuild() {
  const work = join(buildFolder, `new-${process.pid}`);
  try {
    mkdirSync(work, { recursive: true });
  } catch (error) {
    if (isReadOnly(error)) return undefined;
    throw error;
  }
  try {
    const inputs = await bundle(work);
    const hash = hashOf(inputs);
    if (hash === undefined) throw new CompileError("A source went away while it was read. Run the same again.");
    const folder = join(buildFolder, hash);
    writeFileSync(join(work, "done"), "");
    rmSync(folder, { recursive: true, force: true });
    renameSync(work, folder);
    const next = join(buildFolder, `current-${process.pid}.json`);
    writeFileSync(next, JSON.stringify({ hash, inputs }));
    renameSync(next, currentFile);
    prune(hash);
    return folder;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** @param {string} outdir @returns {Promise<string[]>} what it was made of, relative to the package */
async function bundle(outdir) {
  try {
    const built = await Promise.all([
      // One file, as it stands in for index.ts.
      esbuild.build({ ...options, outdir, entryPoints: { program: "index.ts" } }),
      // Many, as each command loads what it needs.
      esbuild.build({
        ...options,
        outdir: join(outdir, "cli"),
        splitting: true,
        entryPoints: { main: "cli/main.ts" },
      }),
    ]);
    const all = built.flatMap(({ metafile }) => Object.keys(metafile?.inputs ?? {}));
    const own = all.filter((input) => !input.includes("node_modules/"));
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

/** Older ones go, but not at once: a command that runs may still load a part of one. @param {string} kept */
function prune(kept) {
  const aDay = 24 * 3600 * 1000;
  for (const name of readdirSync(buildFolder)) {
    const path = join(buildFolder, name);
    if (name === kept || path === currentFile) continue;
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat && Date.now() - stat.mtimeMs > aDay) rmSync(path, { recursive: true, force: true });
  }
}

/** @param {unknown} error */
function isReadOnly(error) {
  return error instanceof Error && "code" in error && ["EACCES", "EPERM", "EROFS"].includes(String(error.code));
}
