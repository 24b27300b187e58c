/** `npm run build`: builds the package into `dist/` for `npm pack`. */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import { build, transformSync } from "esbuild";
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

const read = (file: string) => JSON.parse(readFileSync(join(root, file), "utf8"));
const { dependencies } = read("package.json");
/**
 * Whether a package exports the same code for ESM and CommonJS (dual package hazard): otherwise its default export is in a different
 * place in CommonJS. zod is imported only by name.
 */
function isForBoth(name: string): boolean {
  const { type, exports } = read(`node_modules/${name}/package.json`);
  return name === "zod" || (type !== "module" && !JSON.stringify(exports ?? "").includes('"import"'));
}

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

// CommonJS is bundled into one file per entry, since half of our dependencies are ESM only. Not bundled: Pulumi's packages, whose state
// belongs to the program, and packages that come in both formats.
await build({
  absWorkingDir: root,
  entryPoints: ["components/index.ts", "policy/index.ts", "policy/pack.ts"],
  outbase: ".",
  outdir: common,
  bundle: true,
  platform: "node",
  target: "node20",
  format: "cjs",
  external: ["@pulumi/*", ...Object.keys(dependencies).filter(isForBoth)],
  logLevel: "warning",
  // A third of the package was indentation and licence comments of our dependencies; node_modules has those of each.
  minifyWhitespace: true,
  legalComments: "none",
  // For modules that use import.meta.url, which esbuild leaves undefined.
  banner: { js: 'const importMetaUrl = require("node:url").pathToFileURL(__filename).href;' },
  define: { "import.meta.url": "importMetaUrl" },
});
writeFileSync(join(common, "package.json"), '{ "type": "commonjs" }\n');
// An installed package has no git to ask for its repository, which is an input of the flakes that "clawdlets new" makes.
const commit = await commitOf(root);
if (commit?.origin !== undefined) writeFileSync(join(root, builtFrom), `${JSON.stringify(commit)}\n`);
publishTypes(dist, common, ["components/index.d.ts", "policy/index.d.ts"]);
