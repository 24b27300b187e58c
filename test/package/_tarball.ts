import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { UserError } from "../../core/base/errors.ts";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { withFileLock } from "../../core/base/machine/file-lock.ts";
import { repository } from "../_repository.ts";

export interface Tarball {
  path: string;
  /** Bytes. */
  size: number;
  files: string[];
}

const sources = [
  "bin",
  "cli",
  "components",
  "core",
  "emulator",
  "engine",
  "policy",
  "provider",
  "scripts",
  "stacks",
  "docs",
  "toolchain",
  "nix",
  "flake.nix",
  "flake.lock",
  "CHANGELOG.md",
  "PulumiPlugin.yaml",
  "package.json",
];

/** The package as `npm run build && npm pack` makes it, of the sources as they are now. */
export async function packed(): Promise<Tarball> {
  const folder = join(repository, "dist", "packed");
  const result = join(folder, "result.json");
  const lock = join(repository, ".toolchain", "pack");
  mkdirSync(dirname(lock), { recursive: true });
  return whenFree(lock, async () => {
    if (!existsSync(result) || statSync(result).mtimeMs < newest()) {
      await execa("node", ["--import", "./bin/typescript.mjs", "scripts/build.ts"], { cwd: repository });
      mkdirSync(folder);
      const { stdout } = await execa("npm", ["pack", "--json", "--pack-destination", folder], { cwd: repository });
      const [{ filename, size, files }] = JSON.parse(stdout);
      const tarball = { path: join(folder, filename), size, files: files.map(({ path }: { path: string }) => path) };
      writeFileSync(result, JSON.stringify(tarball));
    }
    return JSON.parse(readFileSync(result, "utf8"));
  });
}

/** Waits ten minutes at most: on a busy machine, another test file packs for longer than a command would wait. */
async function whenFree<T>(lock: string, work: () => Promise<T>): Promise<T> {
  for (let minute = 1; ; minute++) {
    try {
      return await withFileLock(lock, work);
    } catch (error) {
      if (minute === 10 || !(error instanceof UserError && error.exitCode === exitCodes.busy)) throw error;
    }
  }
}

/**
 * Puts the package into `folder/node_modules` as npm would, with what it declares to need beside it: by link, since a second
 * download would tell nothing more. What it needs and does not declare is not found.
 */
export async function installPacked(folder: string, also: readonly string[] = []): Promise<void> {
  const { path } = await packed();
  const place = join(folder, "node_modules", "@clawdlets", "infra");
  mkdirSync(place, { recursive: true });
  await execa("tar", ["-xzf", path, "--strip-components=1", "-C", place]);
  const { dependencies, peerDependencies } = JSON.parse(readFileSync(join(place, "package.json"), "utf8"));
  for (const name of [...Object.keys({ ...dependencies, ...peerDependencies }), ...also]) {
    const link = join(folder, "node_modules", name);
    mkdirSync(dirname(link), { recursive: true });
    if (!existsSync(link)) symlinkSync(join(repository, "node_modules", name), link);
  }
  mkdirSync(join(folder, "node_modules", ".bin"), { recursive: true });
  symlinkSync("../@clawdlets/infra/bin/clawdlets.mjs", join(folder, "node_modules", ".bin", "clawdlets"));
  // The engine that is here already.
  symlinkSync(join(repository, ".toolchain"), join(folder, ".toolchain"));
}

function newest(): number {
  const times = sources.flatMap((name) => {
    const path = join(repository, name);
    if (!statSync(path).isDirectory()) return [statSync(path).mtimeMs];
    return readdirSync(path, { recursive: true, encoding: "utf8" }).map((each) => statSync(join(path, each)).mtimeMs);
  });
  return Math.max(...times);
}
