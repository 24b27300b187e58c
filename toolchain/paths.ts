import { existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { type PluginName, pins } from "./pins.ts";

/** Where a project keeps its engine. Everything is inside the project; the user's own Pulumi home is never touched. */
export interface ToolchainPaths {
  root: string;
  bin: string;
  /** PULUMI_HOME of the engine. */
  home: string;
  /** What was built from which sources. */
  stamps: string;
  work: string;
  lock: string;
}

export function toolchainPaths(projectRoot: string): ToolchainPaths {
  const root = join(projectRoot, ".toolchain");
  return {
    root,
    bin: join(root, "bin"),
    home: join(root, "home"),
    stamps: join(root, "stamps"),
    work: join(root, "work"),
    lock: join(root, "lock"),
  };
}

export const pluginBinary = (paths: ToolchainPaths, name: PluginName) =>
  join(paths.home, "plugins", `resource-${name}-v${pins[name]}`, `pulumi-resource-${name}`);

/** The engine and its companions, ready to run. Paths are absolute. */
export interface Engine {
  pulumi: string;
  binDir: string;
  pulumiHome: string;
  sops: string;
  /** `official`: downloaded from Pulumi. `built`: from source, with stand-ins for the language host and the command plugin. */
  origin: "official" | "built";
}

/** The engine of a project if it is complete; reads some file names, runs nothing. */
export function findEngine(projectRoot: string): Engine | undefined {
  const paths = toolchainPaths(projectRoot);
  const pulumi = join(paths.bin, "pulumi");
  const plugins = (["hcloud", "random", "command"] as const).map((name) => pluginBinary(paths, name));
  const languageHost = join(paths.bin, "pulumi-language-nodejs");
  const sops = [join(paths.bin, "sops"), onPath("sops")].find((path) => path !== undefined && existsSync(path));
  if (sops === undefined || ![pulumi, languageHost, ...plugins].every((path) => existsSync(path))) return undefined;
  const origin = existsSync(join(paths.stamps, "official")) ? "official" : "built";
  return { pulumi, binDir: paths.bin, pulumiHome: paths.home, sops, origin };
}

/** First executable of this name on PATH. */
export function onPath(name: string): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

export function readStamp(paths: ToolchainPaths, name: string): string | undefined {
  const file = join(paths.stamps, name);
  return existsSync(file) ? readFileSync(file, "utf8") : undefined;
}
