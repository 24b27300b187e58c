import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { keepFromLogging } from "./no-logs.ts";
import { type PluginName, pins, plugins } from "./pins.ts";

/** Where a project keeps its engine. Everything is inside the project; the user's own Pulumi home is never touched. */
export interface ToolchainPaths {
  root: string;
  bin: string;
  /** PULUMI_HOME of the engine. */
  home: string;
  /** Records which sources each component was built from. */
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
  /** Whether all of its servers refuse other users of this machine (ownuser/). Those of downloaded parts accept everyone. */
  refusesOthers: boolean;
}

/**
 * The engine of a project, if it is complete and has the pinned versions, kept from logging. It only checks a few files, so every
 * command can call it; only `ensureEngine` notices changed Go sources.
 */
export function findEngine(projectRoot: string): Engine | undefined {
  const paths = toolchainPaths(projectRoot);
  const origin = readStamp(paths, "engine");
  if (origin !== engineStamp("official") && origin !== engineStamp("built")) return undefined;
  const own = join(paths.bin, "sops");
  const sops = existsSync(own) ? own : readStamp(paths, "sops-on-path");
  const pulumi = join(paths.bin, "pulumi");
  const files = [
    pulumi,
    join(paths.bin, "pulumi-language-nodejs"),
    ...plugins.map((name) => pluginBinary(paths, name)),
  ];
  if (sops === undefined || ![...files, sops].every((path) => existsSync(path))) return undefined;
  keepFromLogging(paths.home);
  return {
    pulumi,
    binDir: paths.bin,
    pulumiHome: paths.home,
    sops,
    origin: origin === engineStamp("official") ? "official" : "built",
    refusesOthers: process.platform === "linux" && readStamp(paths, "own-user") !== undefined,
  };
}

/** Written last, when all is in place. */
export const engineStamp = (origin: Engine["origin"]) => `${origin} ${JSON.stringify(pins)}`;

/** First executable of this name on PATH. */
export function onPath(name: string): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

export function readStamp(paths: ToolchainPaths, name: string): string | undefined {
  const file = join(paths.stamps, name);
  return existsSync(file) ? readFileSync(file, "utf8") : undefined;
}

export function writeStamp(paths: ToolchainPaths, name: string, text: string): void {
  mkdirSync(paths.stamps, { recursive: true });
  writeFileAtomic.sync(join(paths.stamps, name), text);
}
