import { existsSync, mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type BuildOptions, build, type OutputFile, type Plugin } from "esbuild";
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

/** In the tree's own folder. */
export const bundled = ".clawdlets-preview.mjs";

/**
 * Bundles the tree's program and says so in its Pulumi.yaml. A program that cannot be bundled (a broken
 * import, another language) stays as it is, and the engine says what is wrong with it.
 */
export async function bundleProgram(tree: string): Promise<void> {
  const file = join(tree, "Pulumi.yaml");
  const project = projectFile(tree);
  const main = project.get("main");
  if (typeof main !== "string" || !main.endsWith(".ts") || !isMap(project.getIn(["runtime", "options"]))) return;
  // What packages in CommonJS take for granted. Written otherwise, our own build would put this file's URL there (bin/compiled/build.mjs).
  const banner = {
    js: 'import { createRequire as requireFor } from "node:module"; const require = requireFor(import.meta["url"]);',
  };
  const shared: BuildOptions = {
    ...options,
    // In a project that installed us: our code finds its files by its place.
    external: ["@pulumi/*", "@clawdlets/*"],
    absWorkingDir: tree,
    format: "esm",
    banner,
  };
  const within = onlyBelow([realpathSync(tree), realpathSync(join(tree, "node_modules"))]);
  let files: OutputFile[];
  try {
    files = await bundleFiles(join(tree, main), tree, shared, within);
  } catch {
    return; // The engine runs it as it is, and says what is wrong with it.
  }
  for (const { path, contents } of files) writeInCopy(path, contents);
  project.set("main", bundled);
  project.deleteIn(["runtime", "options", "nodeargs"]);
  writeInCopy(file, project.toString());
}

/**
 * The program in one file, and the packages that it imports in others: a process that runs the program for many hosts evaluates the
 * packages once, and they are most of the code.
 */
async function bundleFiles(entry: string, tree: string, shared: BuildOptions, within: Plugin): Promise<OutputFile[]> {
  const outfile = join(tree, bundled);
  const plugins = [within];
  const whole = await build({ ...shared, plugins, entryPoints: [entry], outfile, write: false, metafile: true });
  const { inputs } = whole.metafile;
  const isPackage = (path: string) => path.includes("node_modules/");
  const imported = Object.entries(inputs).flatMap(([path, { imports }]) => (isPackage(path) ? [] : imports));
  const files = [...new Set(imported.map(({ path }) => path).filter(isPackage))];
  const apartAs = new Map(
    files.map((path, index) => {
      const extension = inputs[path]?.format === "esm" ? ".mjs" : ".cjs";
      return [realpathSync(resolve(tree, path)), `.clawdlets-package-${index + 1}${extension}`] as const;
    }),
  );
  const packages = (extension: string, more: BuildOptions) => {
    const own = [...apartAs].filter(([, name]) => name.endsWith(extension));
    const entryPoints = Object.fromEntries(own.map(([path, name]) => [name.slice(0, -extension.length), path]));
    const outExtension = { ".js": extension };
    return build({ ...shared, ...more, plugins, entryPoints, outdir: tree, outExtension, write: false });
  };
  const built = [
    await packages(".mjs", { chunkNames: ".clawdlets-[hash]", splitting: true }),
    await packages(".cjs", { format: "cjs", banner: {} }),
    await build({ ...shared, plugins: [apart(apartAs), within], entryPoints: [entry], outfile, write: false }),
  ];
  return built.flatMap(({ outputFiles }) => outputFiles ?? []);
}

/** Leaves out what has a file of its own. @param names of these files in the tree's folder, by what they were made of */
const apart = (names: ReadonlyMap<string, string>): Plugin => ({
  name: "apart",
  setup(build) {
    build.onResolve({ filter: /.*/ }, async ({ path, pluginData, ...from }) => {
      if (pluginData === names || from.kind === "entry-point") return undefined;
      if (from.namespace === "apart") return { path, external: true };
      const found = await build.resolve(path, { ...from, pluginData: names });
      const name = names.get(found.path);
      if (name === undefined) return undefined;
      return name.endsWith(".mjs") ? { path: `./${name}`, external: true } : { path: name, namespace: "apart" };
    });
    // Which names a file in CommonJS exports is known once it has run, so the program still has to take it for CommonJS.
    build.onLoad({ filter: /.*/, namespace: "apart" }, ({ path }) => ({
      contents: `module.exports = require(${JSON.stringify(`./${path}`)});`,
    }));
  },
});

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

/**
 * The workers that run the program and serve the pack for many stacks (warm/), one file each.
 * @param packages where the pack finds Pulumi's packages
 */
export async function bundleWorkers(packages: string, into: string): Promise<{ program: string; policy: string }> {
  const files = { program: join(into, "program-worker.mjs"), policy: join(into, "policy-worker.cjs") };
  const source = (path: string) => (existsSync(inCode(`${path}.ts`)) ? inCode(`${path}.ts`) : inCode(`${path}.js`));
  await Promise.all([
    build({
      ...options,
      entryPoints: [source("engine/preview/warm/program-worker")],
      outfile: files.program,
      format: "esm",
    }),
    build({ ...options, entryPoints: [source("policy/worker")], outfile: files.policy, format: "cjs" }),
  ]);
  symlinkSync(packages, join(into, "node_modules"));
  return files;
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
