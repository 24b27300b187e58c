import { join } from "node:path";
import { type Component, moduleComponent } from "../components.ts";
import type { Report } from "../errors.ts";
import { findGo } from "../go.ts";
import { buildAll, isBuilt } from "../install.ts";
import { alone } from "../lock.ts";
import { toolchainPaths } from "../paths.ts";

/** The version that `tailscale version` reports, as in client/go.mod. The next one, 1.104, needs Go 1.27. */
const tailscaleVersion = "1.102.5";

/** Real Tailscale with a control server of its own, for the tests of how hosts join and are found. */
export interface Tailnet {
  tailscale: string;
  tailscaled: string;
  headscale: string;
}

export interface TailnetOptions {
  /** Project folder; the programs go to `.toolchain/tailnet` in it. */
  root: string;
  /** Folder of the Go sources. */
  sources: string;
  report: Report;
  signal?: AbortSignal;
}

/**
 * Builds all three from the Go module proxy, pinned by go.sum; the first time takes some minutes.
 * @throws ToolchainError with what to install or do
 */
export async function ensureTailnet({ root, sources, report, signal }: TailnetOptions): Promise<Tailnet> {
  const paths = toolchainPaths(root);
  const programs = programsIn(root);
  const components = componentsOf(programs, join(sources, "tailnet"));
  await alone(paths, { report, signal }, async (stop) => {
    const missing = components.filter((component) => !isBuilt(paths, component));
    if (missing.length > 0) await buildAll(paths, missing, await findGo(paths, stop), report);
  });
  return programs;
}

/** The programs, if all are built in the pinned versions. */
export function findTailnet({ root, sources }: Pick<TailnetOptions, "root" | "sources">): Tailnet | undefined {
  const programs = programsIn(root);
  const components = componentsOf(programs, join(sources, "tailnet"));
  return components.every((component) => isBuilt(toolchainPaths(root), component)) ? programs : undefined;
}

function programsIn(root: string): Tailnet {
  const folder = join(toolchainPaths(root).root, "tailnet");
  return {
    tailscale: join(folder, "tailscale"),
    tailscaled: join(folder, "tailscaled"),
    headscale: join(folder, "headscale"),
  };
}

/** Separate Go modules: headscale requires another version of tailscale.com than the one that hosts run. */
function componentsOf(programs: Tailnet, sources: string): Component[] {
  const client = (name: "tailscale" | "tailscaled") =>
    moduleComponent(join(sources, "client"), {
      name,
      target: programs[name],
      pkg: `tailscale.com/cmd/${name}`,
      folders: [],
      ldflags: ["short", "long"].map((kind) => `-X tailscale.com/version.${kind}Stamp=${tailscaleVersion}`).join(" "),
    });
  const headscale = moduleComponent(join(sources, "control"), {
    name: "headscale",
    target: programs.headscale,
    pkg: "github.com/juanfont/headscale/cmd/headscale",
    folders: [],
    ldflags: "",
  });
  return [client("tailscale"), client("tailscaled"), headscale];
}
