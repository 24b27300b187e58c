import { rmSync } from "node:fs";
import { join } from "node:path";
import { PartCache } from "./cache.ts";
import { type Component, componentsOf, testToolsOf } from "./components.ts";
import { type Report, ToolchainError } from "./errors.ts";
import { findGo } from "./go.ts";
import { buildAll, checkEngine, isBuilt, rememberSops, takeCached } from "./install.ts";
import { alone } from "./lock.ts";
import {
  installOfficial,
  installOfficialSops,
  type OfficialSource,
  officialAnswers,
  officialSource,
} from "./official.ts";
import { ownUserHash } from "./own-user.ts";
import {
  type Engine,
  engineStamp,
  findEngine,
  readStamp,
  type ToolchainPaths,
  toolchainPaths,
  writeStamp,
} from "./paths.ts";

export interface EnsureOptions {
  /** Project folder; the engine goes to `.toolchain` in it. */
  root: string;
  /** Folder of the Go sources. */
  sources: string;
  report: Report;
  signal?: AbortSignal;
  /** `official` or `build` to skip the question. @default official where it answers within seconds */
  origin?: string | undefined;
  /** Folder where built parts are kept for other projects. @default none */
  cache?: string | undefined;
  /** Where the official files are. @default Pulumi's and sops' own servers */
  official?: OfficialSource;
}

/**
 * Makes sure that the project has an engine: the official one if it can be downloaded, otherwise built from source. Safe to interrupt
 * and restart: every component is installed atomically, and finished ones are kept.
 * @throws ToolchainError with what to install or do
 */
export async function ensureEngine(options: EnsureOptions): Promise<Engine> {
  const { root, origin } = options;
  if (origin !== undefined && origin !== "official" && origin !== "build") {
    throw new ToolchainError(
      "official",
      `CLAWDLETS_ENGINE is "${origin}". It can be "official" or "build"; unset, the official engine is used where it can be downloaded.`,
    );
  }
  const paths = toolchainPaths(root);
  return (
    complete(paths, options) ??
    alone(paths, options, async (signal) => {
      // Another set-up may have finished the work while we waited.
      const done = complete(paths, options);
      if (done) return done;
      await setUp(paths, { ...options, signal });
      const engine = findEngine(root);
      if (engine) return engine;
      throw new ToolchainError(
        "build",
        `The engine is not complete in ${paths.root}. Delete that folder and run this again.`,
      );
    })
  );
}

/** The engine, if it is the requested one and its sources have not changed. */
function complete(paths: ToolchainPaths, { root, sources, origin }: EnsureOptions): Engine | undefined {
  const engine = findEngine(root);
  if (engine === undefined || (origin !== undefined && (origin === "build") !== (engine.origin === "built")))
    return undefined;
  if (engine.origin === "official") return engine;
  if (readStamp(paths, "own-user") !== ownUserHash(sources)) return undefined;
  const missing = [...neededOf(paths, sources), ...missingOf(paths, testToolsOf(paths, sources))];
  return missing.length === 0 ? engine : undefined;
}

function neededOf(paths: ToolchainPaths, sources: string): Component[] {
  const hasSops = readStamp(paths, "sops-on-path") !== undefined;
  return missingOf(paths, componentsOf(paths, sources)).filter(({ name }) => !(hasSops && name === "sops"));
}

const missingOf = (paths: ToolchainPaths, components: Component[]) =>
  components.filter((component) => !isBuilt(paths, component));

type SetUp = EnsureOptions & { signal: AbortSignal };

async function setUp(paths: ToolchainPaths, options: SetUp): Promise<void> {
  for (const stamp of ["engine", "own-user"]) rmSync(join(paths.stamps, stamp), { force: true });
  const { sources } = options;
  const origin = await setUpEngine(paths, options);
  await checkEngine(paths);
  if (origin === "built") writeStamp(paths, "own-user", ownUserHash(sources));
  writeStamp(paths, "engine", engineStamp(origin));
  await buildTestTools(paths, options);
}

async function setUpEngine(paths: ToolchainPaths, options: SetUp): Promise<Engine["origin"]> {
  const { sources, report, signal, origin, official = officialSource() } = options;
  const hasSops = await rememberSops(paths);
  if (origin === "official" || (origin === undefined && (await officialAnswers(official)))) {
    const unknown = unknownOf(official).filter((name) => !(hasSops && name === "sops"));
    const rest = componentsOf(paths, sources).filter(({ name }) => unknown.includes(name));
    const toBuild = takeCached(paths, missingOf(paths, rest), cacheOf(options), report);
    // Found before anything is downloaded.
    const go = toBuild.length > 0 ? await findGo(paths, signal) : undefined;
    await installOfficial(paths, official, report, signal);
    if (!hasSops && !unknown.includes("sops")) await installOfficialSops(paths, official, report, signal);
    if (go !== undefined) {
      const text = `no digest is pinned for the official download of ${unknown.join(", ")}: built from source`;
      report({ kind: "note", component: "pulumi", seconds: 0, text });
      await buildAll(paths, toBuild, go, report, cacheOf(options));
    }
    return "official";
  }
  const missing = takeCached(paths, neededOf(paths, sources), cacheOf(options), report);
  if (missing.length === 0) return "built";
  if (origin === undefined) {
    const why = official.pulumi.sha256 === undefined ? "have no pinned digest" : "do not answer";
    const text = `the official downloads ${why}: building from source, once, with Go`;
    report({ kind: "note", component: "pulumi", seconds: 0, text });
  }
  const go = await findGo(paths, signal);
  await buildAll(paths, missing, go, report, cacheOf(options));
  return "built";
}

const cacheOf = ({ cache }: EnsureOptions) => (cache === undefined ? undefined : new PartCache(cache));

/** Parts of an official engine that are not downloaded because they have no pinned digest. */
function unknownOf({ sops, plugins }: OfficialSource): string[] {
  const all = Object.entries({ ...plugins, sops: sops.sha256 });
  return all.filter(([, sum]) => sum === undefined).map(([name]) => name);
}

/** Components for tests only, built even with an official engine. A failure does not affect the engine. */
async function buildTestTools(paths: ToolchainPaths, options: SetUp): Promise<void> {
  const { sources, report, signal } = options;
  try {
    const missing = takeCached(paths, missingOf(paths, testToolsOf(paths, sources)), cacheOf(options), report);
    if (missing.length > 0) await buildAll(paths, missing, await findGo(paths, signal), report, cacheOf(options));
  } catch (error) {
    if (!(error instanceof ToolchainError)) throw error;
    const text = `not built (only tests need it): ${error.message}`;
    report({ kind: "note", component: "age", seconds: 0, text });
  }
}
