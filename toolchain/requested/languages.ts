import { join } from "node:path";
import { type Component, moduleComponent } from "../components.ts";
import type { Report } from "../errors.ts";
import { findGo } from "../go.ts";
import { buildAll, isBuilt } from "../install.ts";
import { alone } from "../lock.ts";
import { toolchainPaths } from "../paths.ts";

/** Other languages than ours, for the tests of the component package. */
export interface Languages {
  /** Folder of Pulumi's own YAML language host, for PATH. */
  folder: string;
  /** Writes an SDK of the package for Go or Python: `sdkgen schema.json go|python folder`. */
  sdkgen: string;
}

export interface LanguagesOptions {
  /** Project folder; the programs go to `.toolchain/languages` in it. */
  root: string;
  /** Folder of the Go sources. */
  sources: string;
  report: Report;
  signal?: AbortSignal;
}

/**
 * Builds both from the Go module proxy, pinned by go.sum; the first time takes some minutes.
 * @throws ToolchainError with what to install or do
 */
export async function ensureLanguages({ root, sources, report, signal }: LanguagesOptions): Promise<Languages> {
  const paths = toolchainPaths(root);
  const folder = join(paths.root, "languages");
  const components = componentsOf(folder, join(sources, "languages"));
  await alone(paths, { report, signal }, async (stop) => {
    const missing = components.filter((component) => !isBuilt(paths, component));
    if (missing.length > 0) await buildAll(paths, missing, await findGo(paths, stop), report);
  });
  return { folder, sdkgen: join(folder, "sdkgen") };
}

/** Whether both are built in the pinned versions, so that {@link ensureLanguages} takes no time. */
export function areLanguagesBuilt({ root, sources }: Pick<LanguagesOptions, "root" | "sources">): boolean {
  const paths = toolchainPaths(root);
  const components = componentsOf(join(paths.root, "languages"), join(sources, "languages"));
  return components.every((component) => isBuilt(paths, component));
}

/** A module of its own: the YAML host is built with the versions of Pulumi's packages that its authors released it with. */
function componentsOf(folder: string, module: string): Component[] {
  const program = (name: string, pkg: string, folders: string[]) =>
    moduleComponent(module, { name, target: join(folder, name), pkg, folders, ldflags: "" });
  return [
    program("pulumi-language-yaml", "github.com/pulumi/pulumi-yaml/cmd/pulumi-language-yaml", []),
    program("sdkgen", "./sdkgen", ["sdkgen"]),
  ];
}
