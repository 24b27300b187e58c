import { chmodSync, existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { execa } from "execa";
import type { PartCache } from "./cache.ts";
import type { Component } from "./components.ts";
import { type Report, ToolchainError } from "./errors.ts";
import type { GoBuild } from "./go.ts";
import { onPath, readStamp, type ToolchainPaths, writeStamp } from "./paths.ts";
import { isAtLeast, pins } from "./pins.ts";

export const isBuilt = (paths: ToolchainPaths, { name, target, stamp }: Component) =>
  existsSync(target) && readStamp(paths, name) === stamp;

/**
 * Builds missing components one after another: `go build` already uses all cores. Each is installed with a rename and stamped after
 * that, so a kill at any point leaves either the old component, or a new one that is built again.
 */
export async function buildAll(
  paths: ToolchainPaths,
  missing: Component[],
  go: GoBuild,
  report: Report,
  cache?: PartCache,
): Promise<void> {
  for (const component of missing) {
    await timed(component.name, report, async () => {
      const output = join(paths.work, component.name);
      await component.build(output, go);
      putInPlace(paths, component, output);
    });
    const problem = cache?.keep(component);
    if (problem === undefined) continue;
    const text = `not kept for other projects on this machine: ${problem}`;
    report({ kind: "note", component: component.name, seconds: 0, text });
  }
}

/** Copies what the cache has of the components. @returns those that it does not have */
export function takeCached(
  paths: ToolchainPaths,
  missing: Component[],
  cache: PartCache | undefined,
  report: Report,
): Component[] {
  const startedAt = Date.now();
  const rest = missing.filter((component) => {
    const output = join(paths.work, component.name);
    if (cache?.take(component, output) !== true) return true;
    putInPlace(paths, component, output);
    return false;
  });
  const taken = missing.filter((component) => !rest.includes(component)).map(({ name }) => name);
  const [first] = taken;
  if (first !== undefined) {
    const text = `${taken.join(", ")}: built before for another project on this machine, copied from ${cache?.folder}`;
    report({ kind: "note", component: first, seconds: (Date.now() - startedAt) / 1000, text });
  }
  return rest;
}

function putInPlace(paths: ToolchainPaths, component: Component, output: string): void {
  chmodSync(output, 0o755);
  mkdirSync(dirname(component.target), { recursive: true });
  rmSync(join(paths.stamps, component.name), { force: true });
  renameSync(output, component.target);
  writeStamp(paths, component.name, component.stamp);
}

/** Reports the start, a sign of life every ten seconds, and the end. */
export async function timed(
  component: string,
  report: Report,
  work: () => Promise<void>,
  text?: string,
): Promise<void> {
  const startedAt = Date.now();
  const tell = (kind: "start" | "going" | "done") =>
    report({ kind, component, seconds: (Date.now() - startedAt) / 1000, ...(text !== undefined && { text }) });
  tell("start");
  const ticking = setInterval(() => tell("going"), 10_000);
  try {
    await work();
  } finally {
    clearInterval(ticking);
  }
  tell("done");
}

/** A sops on PATH that is new enough is used, and remembered, so that `findEngine` need not run it. */
export async function rememberSops(paths: ToolchainPaths): Promise<boolean> {
  const stamp = join(paths.stamps, "sops-on-path");
  const found = onPath("sops");
  // Inside `clawdlets env` our own folder is on PATH; its sops is a component like the others.
  if (found !== undefined && dirname(found) !== paths.bin) {
    const { stdout } = await execa(found, ["--version", "--disable-version-check"], { reject: false });
    const version = /^sops v?(\d+\.\d+)/.exec(stdout)?.[1];
    if (version !== undefined && isAtLeast(version, pins.oldestSops)) {
      writeStamp(paths, "sops-on-path", found);
      return true;
    }
  }
  rmSync(stamp, { force: true });
  return false;
}

/** Run once, so that a broken engine fails here and not during an update. */
export async function checkEngine(paths: ToolchainPaths): Promise<void> {
  const env = { PULUMI_HOME: paths.home, PULUMI_SKIP_UPDATE_CHECK: "true" };
  const pulumi = join(paths.bin, "pulumi");
  const { exitCode, stdout, all } = await execa(pulumi, ["version"], { env, reject: false, all: true });
  if (exitCode !== 0 || stdout.trim() !== `v${pins.pulumi}`) {
    throw new ToolchainError(
      "build",
      `${pulumi} should be v${pins.pulumi}, but reports: ${all.trim().slice(-300)}. Delete ${paths.root} and run this again.`,
    );
  }
}
