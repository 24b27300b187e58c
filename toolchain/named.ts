import { createHash } from "node:crypto";
import { copyFileSync, existsSync, linkSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { keepFromLogging } from "./no-logs.ts";
import { type Engine, pluginBinary, toolchainPaths } from "./paths.ts";
import { plugins } from "./pins.ts";

/** Parts of the engine that are named by path, in place of the project's own. */
export interface NamedParts {
  /** A `pulumi-language-nodejs`. */
  languageHost?: string | undefined;
  /** A `pulumi-resource-command`. */
  commandPlugin?: string | undefined;
}

/**
 * The engine with the named parts in place of its own. It gets folders of its own below `.toolchain/named/`: Pulumi takes the
 * language host that lies beside its CLI, and warns about any other on PATH.
 */
export function withNamedParts(projectRoot: string, engine: Engine, parts: NamedParts): Engine {
  const { languageHost, commandPlugin } = parts;
  if (languageHost === undefined && commandPlugin === undefined) return engine;
  const files = filesOf(projectRoot, engine, parts);
  const root = join(toolchainPaths(projectRoot).root, "named", keyOf(files));
  if (!existsSync(root)) makeWhole(root, files);
  keepFromLogging(join(root, "home"));
  return {
    ...engine,
    pulumi: join(root, "bin", basename(engine.pulumi)),
    binDir: join(root, "bin"),
    pulumiHome: join(root, "home"),
    refusesOthers: false, // Nothing is known of the named ones.
  };
}

/** Each file's place below the folder, and where it comes from. */
function filesOf(projectRoot: string, engine: Engine, { languageHost, commandPlugin }: NamedParts): [string, string][] {
  const paths = toolchainPaths(projectRoot);
  const host = languageHost ?? join(engine.binDir, "pulumi-language-nodejs");
  const tools = [engine.pulumi, engine.sops, ...["age", "age-keygen"].map((name) => join(engine.binDir, name))];
  return [
    ...tools.filter((tool) => existsSync(tool)).map((tool): [string, string] => [`bin/${basename(tool)}`, tool]),
    ["bin/pulumi-language-nodejs", host],
    ...plugins.map((name): [string, string] => {
      const own = pluginBinary(paths, name);
      const place = `home${own.slice(paths.home.length)}`;
      return [place, name === "command" ? (commandPlugin ?? own) : own];
    }),
  ];
}

/** Changes when one of the files does. */
function keyOf(files: readonly [string, string][]): string {
  const facts = files.map(([place, source]) => {
    const { ino, size, mtimeMs } = statSync(source);
    return [place, source, ino, size, mtimeMs];
  });
  return createHash("sha256").update(JSON.stringify(facts)).digest("hex").slice(0, 16);
}

/** Put in place by one rename: of two processes, one's folder is taken and the other's removed. */
function makeWhole(root: string, files: readonly [string, string][]): void {
  mkdirSync(dirname(root), { recursive: true });
  const work = mkdtempSync(`${root}.`);
  try {
    for (const [place, source] of files) {
      mkdirSync(dirname(join(work, place)), { recursive: true });
      linkOrCopy(source, join(work, place));
    }
    renameSync(work, root);
  } catch (error) {
    rmSync(work, { recursive: true, force: true });
    if (!existsSync(root)) throw error;
  }
}

/** A link takes no space, and is not possible between file systems or to some files of others. */
function linkOrCopy(source: string, target: string): void {
  try {
    linkSync(source, target);
  } catch {
    copyFileSync(source, target); // Says why, where that is not possible either.
  }
}
