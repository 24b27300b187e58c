import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { type Component, moduleComponent } from "./components.ts";
import { type Report, ToolchainError } from "./errors.ts";
import { findGo } from "./go.ts";
import { buildAll, isBuilt } from "./install.ts";
import { alone } from "./lock.ts";
import { onPath, type ToolchainPaths, toolchainPaths } from "./paths.ts";

/**
 * Tools that check the repository itself: its contents and history for secrets, and its workflows; an S3 server for the example with its
 * state in a bucket and for backups, and restic's own server. Nothing that we ship needs them.
 */
export const checkTools = ["gitleaks", "actionlint", "zizmor", "versitygw", "rest-server"] as const;
export type CheckTool = (typeof checkTools)[number];

/** Paths of the available tools, and why the others are missing. */
export interface CheckTools {
  found: Partial<Record<CheckTool, string>>;
  missing: Partial<Record<CheckTool, string>>;
}

export interface CheckToolsOptions {
  /** Project folder; the tools go to `.toolchain/bin` in it. */
  root: string;
  /** Folder of the Go sources. */
  sources: string;
  report: Report;
  signal?: AbortSignal;
  /** @default all */
  wanted?: readonly CheckTool[];
}

/**
 * Sets up the requested tools, pinned by go.sum and by hash, and reports the ones that cannot be installed. Takes half a minute the
 * first time. A tool on PATH is used only if ours cannot be built.
 */
export async function ensureCheckTools(options: CheckToolsOptions): Promise<CheckTools> {
  const { root, sources, wanted = checkTools } = options;
  const paths = toolchainPaths(root);
  const tools: CheckTools = { found: {}, missing: {} };
  const components = componentsOf(paths, sources);
  for (const name of checkTools.filter((each) => wanted.includes(each))) {
    const component = components[name]();
    const why = isBuilt(paths, component) ? undefined : await tryToBuild(paths, component, options);
    const place = why === undefined ? component.target : onPath(name);
    if (place !== undefined) tools.found[name] = place;
    else tools.missing[name] = why ?? "it was not built";
  }
  return tools;
}

/** Read on demand: the package contains only the sources of gitleaks, which `doctor` builds. */
function componentsOf(paths: ToolchainPaths, sources: string): Record<CheckTool, () => Component> {
  const module = join(sources, "checks");
  const own = (name: CheckTool, pkg: string, from = module) =>
    moduleComponent(from, { name, target: join(paths.bin, name), pkg, folders: [] });
  const requirements = join(module, "zizmor.txt");
  return {
    gitleaks: () => own("gitleaks", "github.com/zricethezav/gitleaks/v8"),
    actionlint: () => own("actionlint", "github.com/rhysd/actionlint/cmd/actionlint"),
    // A separate module: its hundred dependencies conflict with those of the linters.
    versitygw: () => own("versitygw", "github.com/versity/versitygw/cmd/versitygw", join(sources, "bucket")),
    "rest-server": () => own("rest-server", "github.com/restic/rest-server/cmd/rest-server", join(sources, "rest")),
    zizmor: () => ({
      name: "zizmor",
      target: join(paths.bin, "zizmor"),
      stamp: readFileSync(requirements, "utf8"),
      build: (output, { env, signal }) => installWheel(paths, requirements, output, env, signal),
    }),
  };
}

async function tryToBuild(
  paths: ToolchainPaths,
  component: Component,
  options: CheckToolsOptions,
): Promise<string | undefined> {
  const { report, signal } = options;
  try {
    await alone(paths, { report, signal }, async (stop) => {
      if (isBuilt(paths, component)) return;
      const plain = { go: "", env: environment(), signal: stop };
      const go = component.name === "zizmor" ? plain : await findGo(paths, stop);
      await buildAll(paths, [component], go, report);
    });
    return undefined;
  } catch (error) {
    if (error instanceof ToolchainError) return error.message;
    throw error;
  }
}

/** zizmor is written in Rust and distributed as a Python wheel: pip checks it against the hash pinned here. */
async function installWheel(
  paths: ToolchainPaths,
  requirements: string,
  output: string,
  env: Record<string, string>,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (!onPath("python3"))
    throw new ToolchainError("build", "zizmor comes as a Python package: install python3 and python3-pip.");
  const folder = join(paths.work, "zizmor-wheel");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const args = [
    "-m",
    "pip",
    "install",
    "--quiet",
    "--no-deps",
    "--only-binary=:all:",
    "--require-hashes",
    "--target",
    folder,
    "--requirement",
    requirements,
  ];
  const { exitCode, all } = await execa("python3", args, {
    env,
    extendEnv: false,
    reject: false,
    all: true,
    stdin: "ignore",
    ...(signal && { cancelSignal: signal }),
  });
  const binary = join(folder, "bin", "zizmor");
  if (exitCode !== 0 || !existsSync(binary)) {
    const lines = all.trim().split("\n").slice(-3).join("\n  ");
    throw new ToolchainError(
      "build",
      `pip could not install zizmor; it needs python3-pip and a package index.\n  ${lines}`,
    );
  }
  renameSync(binary, output);
}

function environment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
  );
}
