import { chmodSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { lock } from "proper-lockfile";
import { type Component, componentsOf } from "./components.ts";
import { type Report, ToolchainError } from "./errors.ts";
import { findGo, type GoBuild } from "./go.ts";
import { installOfficial, officialAnswers, officialSource } from "./official.ts";
import { type Engine, findEngine, onPath, readStamp, type ToolchainPaths, toolchainPaths } from "./paths.ts";

export interface EnsureOptions {
  /** Project folder; the engine goes to `.toolchain` in it. */
  root: string;
  /** Folder of the Go sources. */
  sources: string;
  report: Report;
  signal?: AbortSignal;
  /** `official` or `build` to skip the question. @default official where it answers within seconds */
  origin?: string | undefined;
}

/**
 * Makes sure that the project has an engine: the official one where it can be downloaded, otherwise built from source.
 * Safe to stop and to start again: every component is put in place whole, and a finished one is kept.
 * @throws ToolchainError with what to install or do
 */
export async function ensureEngine(options: EnsureOptions): Promise<Engine> {
  const paths = toolchainPaths(options.root);
  const ready = findEngine(options.root);
  if (ready && (ready.origin === "official" || outdated(paths, options.sources).length === 0)) return ready;
  mkdirSync(paths.work, { recursive: true });
  const release = await lock(paths.lock, {
    realpath: false,
    stale: 30_000,
    retries: { retries: 3600, factor: 1, minTimeout: 1000, maxTimeout: 1000 },
  });
  try {
    await setUp(paths, options);
  } finally {
    await release();
  }
  const engine = findEngine(options.root);
  if (!engine)
    throw new ToolchainError(
      "build",
      `The engine is not complete in ${paths.root}. Delete that folder and run this again.`,
    );
  return engine;
}

async function setUp(paths: ToolchainPaths, { sources, report, signal, origin }: EnsureOptions): Promise<void> {
  const official = officialSource();
  if (origin === "official" || (origin !== "build" && (await officialAnswers(official)))) {
    await installOfficial(paths, official, report, signal);
    await buildMissing(
      paths,
      components(paths, sources).filter(({ name }) => name === "sops"),
      report,
      signal,
    );
    return;
  }
  report({
    kind: "note",
    component: "pulumi",
    seconds: 0,
    text: "Pulumi's download server does not answer: building from source",
  });
  rmSync(join(paths.stamps, "official"), { force: true });
  await buildMissing(paths, outdated(paths, sources), report, signal);
}

async function buildMissing(
  paths: ToolchainPaths,
  missing: Component[],
  report: Report,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (missing.length === 0) return;
  const go = await findGo(paths, signal);
  for (const component of missing) await buildOne(paths, component, go, report);
  await installDependencyFiles(paths);
}

function components(paths: ToolchainPaths, sources: string): Component[] {
  return componentsOf(paths, sources, sopsOnPath() === undefined);
}

/** A sops that is there is used; its age is checked where it is run. */
const sopsOnPath = () => onPath("sops");

function outdated(paths: ToolchainPaths, sources: string): Component[] {
  return components(paths, sources).filter(
    ({ name, target, stamp }) => !existsSync(target) || readStamp(paths, name) !== stamp,
  );
}

async function buildOne(paths: ToolchainPaths, component: Component, go: GoBuild, report: Report): Promise<void> {
  const startedAt = Date.now();
  const tell = (kind: "start" | "going" | "done") =>
    report({ kind, component: component.name, seconds: (Date.now() - startedAt) / 1000 });
  tell("start");
  const ticking = setInterval(() => tell("going"), 10_000);
  try {
    const output = join(paths.work, component.name);
    await component.build(output, go);
    chmodSync(output, 0o755);
    mkdirSync(dirname(component.target), { recursive: true });
    rmSync(join(paths.stamps, component.name), { force: true });
    renameSync(output, component.target);
    mkdirSync(paths.stamps, { recursive: true });
    writeFileSync(join(paths.stamps, component.name), component.stamp);
  } finally {
    clearInterval(ticking);
  }
  tell("done");
}

/** The engine must see the plugins under its own home; asked once, so that a broken build shows here and not in an update. */
async function installDependencyFiles(paths: ToolchainPaths): Promise<void> {
  const pulumi = join(paths.bin, "pulumi");
  if (!existsSync(pulumi)) return;
  const env = { PULUMI_HOME: paths.home, PULUMI_SKIP_UPDATE_CHECK: "true" };
  const { exitCode, all } = await execa(pulumi, ["plugin", "ls", "--json"], { env, reject: false, all: true });
  if (exitCode !== 0) throw new ToolchainError("build", `The built engine does not run: ${all}`);
}
