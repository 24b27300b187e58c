import { accessSync, constants, existsSync, mkdirSync, statfsSync } from "node:fs";
import { totalmem } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { ToolchainError } from "./errors.ts";
import { onPath, type ToolchainPaths } from "./paths.ts";
import { isAtLeast, pins } from "./pins.ts";

/** A usable Go, and the environment to run it with. */
export interface GoBuild {
  go: string;
  env: Record<string, string>;
  signal: AbortSignal | undefined;
}

/** Measured on an empty machine: modules 2.2, build cache 2.4, results 0.4, and what a build has open meanwhile. */
const neededGib = 6;

/** The path in Go's installation instructions, which is not on every PATH. */
const usualGo = "/usr/local/go/bin/go";

/** Finds Go and checks that it can do the work. @throws ToolchainError that says what to install */
export async function findGo(paths: ToolchainPaths, signal?: AbortSignal, elsewhere = usualGo): Promise<GoBuild> {
  const install = `Install Go ${pins.go} or newer (https://go.dev/dl) and run this again.`;
  const go = onPath("go") ?? (existsSync(elsewhere) ? elsewhere : undefined);
  if (go === undefined) {
    throw new ToolchainError(
      "no-go",
      `Go is required to build from source, and is neither on PATH nor at ${elsewhere}. ${install}`,
    );
  }
  const env = goEnvironment(paths);
  const { stdout, exitCode } = await execa(go, ["env", "GOVERSION"], { env, extendEnv: false, reject: false });
  const version = /^go(\d+\.\d+)/.exec(stdout.trim())?.[1];
  if (exitCode !== 0 || version === undefined || !isAtLeast(version, pins.go)) {
    throw new ToolchainError(
      "old-go",
      `${go} is ${stdout.trim() || "broken"}; ${pins.go} or newer is needed. ${install}`,
    );
  }
  mkdirSync(paths.root, { recursive: true });
  const { bavail, bsize } = statfsSync(paths.root);
  const freeGib = (bavail * bsize) / 2 ** 30;
  if (freeGib < neededGib) {
    throw new ToolchainError(
      "disk",
      `Building the engine needs ${neededGib} GiB, and ${paths.root} has ${freeGib.toFixed(1)}. Free some space and run this again: finished components are kept.`,
    );
  }
  return { go, env, signal };
}

/** Uses the user's own Go caches; without a usable HOME they are in the project. */
function goEnvironment(paths: ToolchainPaths): Record<string, string> {
  const inherited = Object.fromEntries(
    Object.entries(process.env).flatMap(([key, value]) => (value === undefined ? [] : [[key, value] as const])),
  );
  const home = inherited["HOME"];
  const caches = { GOPATH: join(paths.work, "go"), GOCACHE: join(paths.work, "go-cache") };
  return {
    // GOGC: less frequent garbage collection saves a seventh of the time, but needs memory that a small machine does not have.
    ...(totalmem() > 8 * 2 ** 30 && { GOGC: "400" }),
    ...(home !== undefined && home !== "" && isWritable(home)
      ? inherited
      : { ...caches, ...inherited, HOME: paths.work }),
    // Reproducible: no other toolchain, no change to go.sum, no workspace from a parent folder.
    GOTOOLCHAIN: "local",
    GOFLAGS: "-mod=readonly -trimpath -buildvcs=false",
    GOWORK: "off",
    CGO_ENABLED: "0",
  };
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false; // Not writable, for whatever reason.
  }
}

export interface GoTarget {
  module: string;
  pkg: string;
  output: string;
  ldflags: string;
  overlay?: string;
  /** A go.mod to use instead of the module's own (-modfile). */
  modfile?: string;
}

export async function goBuild(
  go: GoBuild,
  { module, pkg, output, ldflags, overlay, modfile }: GoTarget,
): Promise<void> {
  const args = [
    "build",
    "-ldflags",
    `-s -w ${ldflags}`.trim(),
    ...(overlay === undefined ? [] : ["-overlay", overlay]),
    ...(modfile === undefined ? [] : ["-modfile", modfile]),
    "-o",
    output,
    pkg,
  ];
  await runTool(go, go.go, args, module);
}

/** Where Go keeps a module's sources, fetched first if they are not there. */
export async function moduleFolder(go: GoBuild, from: string, module: string): Promise<string> {
  const { Dir: folder } = JSON.parse(await runTool(go, go.go, ["mod", "download", "-json", module], from)) as {
    Dir: string;
  };
  return folder;
}

/** @returns its standard output */
export async function runTool({ env, signal }: GoBuild, program: string, args: string[], cwd: string): Promise<string> {
  const result = await execa(program, args, {
    cwd,
    env,
    extendEnv: false,
    reject: false,
    stdin: "ignore",
    all: true,
    maxBuffer: 1 << 20,
    ...(signal && { cancelSignal: signal }),
  });
  if (result.isCanceled) throw new DOMException("The set-up was stopped.", "AbortError");
  if (result.exitCode === 0) return result.stdout;
  throw explain(result.all);
}

function explain(output: string): ToolchainError {
  const lines = output.trim().split("\n").slice(-6).join("\n  ");
  if (/no space left on device/i.test(output)) {
    return new ToolchainError(
      "disk",
      `The disk filled up while the engine was being built. Free some space and run this again: finished components are kept.\n  ${lines}`,
    );
  }
  if (
    /dial tcp|lookup .* on|i\/o timeout|TLS handshake|proxyconnect|unrecognized import path|reading https?:|connection refused|unexpected EOF/i.test(
      output,
    )
  ) {
    return new ToolchainError(
      "modules",
      `Go could not fetch the engine's sources. Check the network and "go env GOPROXY", and run this again: finished downloads are kept.\n  ${lines}`,
    );
  }
  return new ToolchainError(
    "build",
    `The engine did not build. Run this again; if it fails again, report it with these lines:\n  ${lines}`,
  );
}
