/** `npm run build`: the package in `dist/`, which `npm pack` takes. */
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { build } from "esbuild";
import { execa } from "execa";
import { publishTypes } from "./_build/types.ts";

const root = resolve(import.meta.dirname, "..");
const dist = join(root, "dist");
const common = join(dist, "cjs");

/** What code reads beside itself at run time. */
const assets = ["core/tasks/repo/workflows", ".gitleaks.toml"];

const read = (file: string) => JSON.parse(readFileSync(join(root, file), "utf8"));
const { dependencies } = read("package.json");
/**
 * Whether a package is the same for both. One with halves of its own would be another than the one that our sources were written
 * against: in CommonJS its default export is found elsewhere. zod is used by its names alone.
 */
function isForBoth(name: string): boolean {
  const { type, exports } = read(`node_modules/${name}/package.json`);
  return name === "zod" || (type !== "module" && !JSON.stringify(exports ?? "").includes('"import"'));
}

rmSync(dist, { recursive: true, force: true });
await execa("tsc", ["--project", "tsconfig.build.json"], { cwd: root, preferLocal: true, stdio: "inherit" });
for (const asset of assets) cpSync(join(root, asset), join(dist, asset), { recursive: true });

// CommonJS is one file an entry, since half of what we depend on is ES modules alone. Pulumi's packages stay outside: their
// state is the program's. So do those that come in both kinds.
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
  // For what asks where it lies; esbuild leaves it undefined.
  banner: { js: 'const importMetaUrl = require("node:url").pathToFileURL(__filename).href;' },
  define: { "import.meta.url": "importMetaUrl" },
});
writeFileSync(join(common, "package.json"), '{ "type": "commonjs" }\n');
publishTypes(dist, common, ["components/index.d.ts", "policy/index.d.ts"]);
