import { existsSync, mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type BuildOptions, build, type Plugin } from "esbuild";
import { type Document, isMap } from "yaml";
import { SettingsError } from "../../core/base/errors.ts";
import { inCode } from "../../core/base/machine/package-root.ts";
import { parsePlainYaml } from "../../core/base/text/plain-yaml.ts";
import { writeInCopy } from "./tree.ts";

/**
 * Loading TypeScript takes each engine run a second of two cores, so program and policy pack are put together once, by the
 * same esbuild that tsx uses. Pulumi's packages stay outside: the engine's runner has to share their state.
 */
const options: BuildOptions = {
  bundle: true,
  platform: "node",
  target: "node20",
  external: ["@pulumi/*"],
  // Its CommonJS build, the default for Node, hides its own imports from bundlers.
  alias: { "jsonc-parser": "jsonc-parser/lib/esm/main.js" },
  logLevel: "silent",
};

const bundled = ".clawdlets-preview.mjs";

/**
 * Makes the tree's program one file and says so in its Pulumi.yaml. A program that does not go into one file (a broken
 * import, another language) stays as it is, and the engine says what is wrong with it.
 */
export async function bundleProgram(tree: string): Promise<void> {
  const file = join(tree, "Pulumi.yaml");
  const project = projectFile(tree);
  const main = project.get("main");
  if (typeof main !== "string" || !main.endsWith(".ts") || !isMap(project.getIn(["runtime", "options"]))) return;
  // What packages in CommonJS take for granted.
  const banner = {
    js: 'import { createRequire as requireFor } from "node:module"; const require = requireFor(import.meta.url);',
  };
  let code: Uint8Array | undefined;
  try {
    const { outputFiles } = await build({
      ...options,
      // In a project that installed us: our code finds its files by its place.
      external: ["@pulumi/*", "@clawdlets/*"],
      absWorkingDir: tree,
      plugins: [onlyBelow([realpathSync(tree), realpathSync(join(tree, "node_modules"))])],
      entryPoints: [join(tree, main)],
      outfile: join(tree, bundled),
      format: "esm",
      banner,
      write: false,
    });
    code = outputFiles[0]?.contents;
  } catch {
    return; // The engine runs it as it is, and says what is wrong with it.
  }
  if (!code) return;
  writeInCopy(join(tree, bundled), code);
  project.set("main", bundled);
  project.deleteIn(["runtime", "options", "nodeargs"]);
  writeInCopy(file, project.toString());
}

/** Bundling runs outside the program's cell: an import of `/home/me/secret.json` would carry the file in. */
const onlyBelow = (folders: readonly string[]): Plugin => ({
  name: "only-below",
  setup(build) {
    build.onLoad({ filter: /.*/ }, ({ path }) =>
      folders.some((folder) => path.startsWith(`${folder}/`)) ? undefined : { errors: [{ text: `outside: ${path}` }] },
    );
  },
});

/** The project's name in its Pulumi.yaml, to which its stacks belong. */
export function projectName(tree: string): string {
  return String(projectFile(tree).get("name"));
}

/** @throws SettingsError where the engine would read it differently */
function projectFile(tree: string): Document.Parsed {
  const { document, problems } = parsePlainYaml(readFileSync(join(tree, "Pulumi.yaml"), "utf8"), "Pulumi.yaml");
  if (!document) throw new SettingsError(problems);
  return document;
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
