/** `npm run build`: builds the package into `dist/` for `npm pack`. */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import { transformSync } from "esbuild";
import { execa } from "execa";
import { builtFrom, commitOf } from "../core/tasks/new/source.ts";
import { publishTypes } from "./_build/types.ts";

const root = resolve(import.meta.dirname, "..");
const dist = join(root, "dist");
const common = join(dist, "cjs");

/** Files that code reads at run time. */
const assets = ["core/tasks/new/template", "core/tasks/repo/workflows", ".gitleaks.toml", "provider/schema.json"];
/** The same, compressed: a quarter of the size in the package. */
const compressed = ["core/project/bots/schema/openclaw.json"];

rmSync(dist, { recursive: true, force: true });
await execa("tsc", ["--project", "tsconfig.build.json"], { cwd: root, preferLocal: true, stdio: "inherit" });
// The comments are in the repository, and those for users in the types; without them a fifth of the code is gone.
for (const file of readdirSync(dist, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".js"))) {
  const path = join(dist, file);
  const { code } = transformSync(readFileSync(path, "utf8"), { target: "esnext", legalComments: "none" });
  writeFileSync(path, code);
}
for (const asset of assets) cpSync(join(root, asset), join(dist, asset), { recursive: true });
for (const asset of compressed) {
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 20 };
  const smaller = brotliCompressSync(readFileSync(join(root, asset)), { params });
  mkdirSync(dirname(join(dist, asset)), { recursive: true });
  writeFileSync(join(dist, `${asset}.br`), smaller);
}

// Node 20.19 and later load ES modules by require(), so CommonJS has the same code, once, and one copy of its state.
for (const entry of ["components", "policy"]) {
  mkdirSync(join(common, entry), { recursive: true });
  writeFileSync(join(common, entry, "index.js"), `module.exports = require("../../${entry}/index.js");\n`);
}
writeFileSync(join(common, "package.json"), '{ "type": "commonjs" }\n');
// An installed package has no git to ask for its repository, which is an input of the flakes that "clawdlets new" makes.
const commit = await commitOf(root);
if (commit?.origin !== undefined) writeFileSync(join(root, builtFrom), `${JSON.stringify(commit)}\n`);
publishTypes(dist, common, ["components/index.d.ts", "policy/index.d.ts"]);
