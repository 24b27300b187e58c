import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type BuildOptions, build } from "esbuild";
import { isMap, parseDocument } from "yaml";
import { inCode } from "../../core/base/machine/package-root.ts";

/**
 * Loading TypeScript takes each engine run a second of two cores, so program and policy pack are put together once, by the
 * same esbuild that tsx uses. Pulumi's packages stay outside: the engine's runner has to share their state.
 */
const options: BuildOptions = {
  bundle: true,
  platform: "node",
  target: "node20",
  external: ["@pulumi/*"],
  logLevel: "silent",
};

const bundled = ".clawdlets-preview.mjs";

/**
 * Makes the tree's program one file and says so in its Pulumi.yaml. A program that does not go into one file (a broken
 * import, another language) stays as it is, and the engine says what is wrong with it.
 */
export async function bundleProgram(tree: string): Promise<void> {
  const file = join(tree, "Pulumi.yaml");
  const project = parseDocument(readFileSync(file, "utf8"));
  const main = project.get("main");
  if (typeof main !== "string" || !main.endsWith(".ts") || !isMap(project.getIn(["runtime", "options"]))) return;
  // What packages in CommonJS take for granted.
  const banner = {
    js: 'import { createRequire as requireFor } from "node:module"; const require = requireFor(import.meta.url);',
  };
  try {
    await build({
      ...options,
      absWorkingDir: tree,
      entryPoints: [join(tree, main)],
      outfile: join(tree, bundled),
      format: "esm",
      banner,
    });
  } catch {
    return;
  }
  project.set("main", bundled);
  project.deleteIn(["runtime", "options", "nodeargs"]);
  writeFileSync(file, project.toString());
}

/** The project's name in its Pulumi.yaml, to which its stacks belong. */
export function projectName(tree: string): string {
  return String(parseDocument(readFileSync(join(tree, "Pulumi.yaml"), "utf8")).get("name"));
}

/** @returns the folder to give to `--policy-pack` */
export async function bundlePack(pack: string, packages: string, into: string): Promise<string> {
  mkdirSync(into, { recursive: true });
  const entry = join(pack, "pack.ts");
  // In the installed package there is only what it was compiled to.
  const entryPoint = existsSync(entry) ? entry : inCode("policy/pack.js");
  await build({ ...options, entryPoints: [entryPoint], outfile: join(into, "pack.cjs"), format: "cjs" });
  const manifest: object = JSON.parse(readFileSync(join(pack, "package.json"), "utf8"));
  writeFileSync(join(into, "package.json"), JSON.stringify({ ...manifest, type: "commonjs", main: "pack.cjs" }));
  writeFileSync(join(into, "PulumiPolicy.yaml"), readFileSync(join(pack, "PulumiPolicy.yaml")));
  if (!existsSync(join(into, "node_modules"))) symlinkSync(packages, join(into, "node_modules"));
  return into;
}
