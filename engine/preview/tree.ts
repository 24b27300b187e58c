import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { UserError } from "../../core/base/errors.ts";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { runGit } from "../../core/base/machine/git.ts";
import { run } from "../../core/base/machine/run.ts";
import { safeText } from "../../core/base/wording.ts";

/** What is never taken along: secrets, state, and what is built or large. */
const leftOut = new Set([".clawdlets", ".git", ".toolchain", ".demo", "node_modules"]);

const isLeftOut = (file: string) => file.split("/").some((part) => leftOut.has(part));

/** Files that git tracks although they are never taken along: local state, or packages that nobody fetched. */
export async function trackedButLeftOut(root: string): Promise<string[]> {
  const { exitCode, stdout } = await runGit(root, ["ls-files", "-z", "--cached"]);
  return exitCode === 0
    ? String(stdout)
        .split("\0")
        .filter((file) => file !== "" && isLeftOut(file))
    : [];
}

/**
 * A copy of the working tree to run the engine in: what git tracks or would take, or without git everything, but never
 * `.clawdlets`. Nothing is written to the original.
 */
export async function copyTree(root: string, into: string): Promise<void> {
  mkdirSync(into, { recursive: true });
  const listed = await runGit(root, ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
  const files =
    listed.exitCode === 0
      ? String(listed.stdout)
          .split("\0")
          .filter((file) => file !== "")
      : undefined;
  if (files) {
    // In a merge with conflicts, git lists a file once for each side.
    for (const file of new Set(files)) {
      if (isLeftOut(file) || !isFile(join(root, file))) continue;
      mkdirSync(dirname(join(into, file)), { recursive: true });
      copyEntry(join(root, file), join(into, file));
    }
  } else copyFolder(root, into);
  refuseLinks(into, "The project");
  linkPackages(root, into);
}

/** Copies a link as it is. Not with cpSync, which follows it on Node 24: a dangling one is ENOENT, and one to a folder is refused. */
function copyEntry(from: string, to: string): void {
  if (lstatSync(from).isSymbolicLink()) symlinkSync(readlinkSync(from), to);
  else copyFileSync(from, to);
}

function copyFolder(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    if (leftOut.has(entry.name)) continue;
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) copyFolder(source, target);
    else if (entry.isFile() || entry.isSymbolicLink()) copyEntry(source, target);
  }
}

/** What is read or written in a copy by its name: a symlink could point to a file outside. */
const byName = ["Pulumi.yaml", "package.json", "stacks", "clawdlets-policy.json", "node_modules"];

/** @param tree whose copy it is, for the messages */
function refuseLinks(copy: string, tree: string): void {
  for (const name of byName) {
    const stat = lstatSync(join(copy, name), { throwIfNoEntry: false });
    if (stat?.isSymbolicLink()) {
      const message = `${tree} has a link for ${name}, to ${safeText(readlinkSync(join(copy, name)))}. Put the file or folder itself there.`;
      throw new UserError(message, { exitCode: exitCodes.settings });
    }
  }
  if (!lstatSync(join(copy, "Pulumi.yaml"), { throwIfNoEntry: false })?.isFile()) {
    throw new UserError(`${tree} has no file Pulumi.yaml, so there is no program to preview.`, {
      exitCode: exitCodes.settings,
    });
  }
}

/** Writes a file of our own into a copy: never through a link that stands in its place. */
export function writeInCopy(file: string, content: string | Uint8Array): void {
  rmSync(file, { force: true, recursive: true });
  writeFileSync(file, content, { flag: "wx" });
}

/**
 * The project as it was at another revision, with the packages of this one.
 * @returns the commit's short id
 * @throws UserError when there is no such revision
 */
export async function exportRevision(root: string, revision: string, into: string): Promise<string> {
  const asked = ["rev-parse", "--verify", "--short", "--end-of-options", `${revision}^{commit}`];
  const found = await runGit(root, asked);
  if (found.exitCode !== 0) {
    throw new UserError(
      `--base ${revision} is not a revision of ${root}. In CI, fetch it first (actions/checkout: fetch-depth: 0), or pass a branch, tag or commit that "git log" knows.`,
      { exitCode: exitCodes.usage },
    );
  }
  const commit = String(found.stdout).trim();
  mkdirSync(into, { recursive: true });
  const archive = `${into}.tar`;
  const packed = await runGit(root, ["archive", "--format=tar", `--output=${archive}`, commit, "."]);
  if (packed.exitCode !== 0) throw new UserError(`git could not export ${revision}: ${packed.stderr.trim()}`);
  const unpacked = await run("tar", ["-xf", archive, "-C", into]);
  if (unpacked.exitCode !== 0) throw new UserError(`tar could not export ${revision}: ${unpacked.stderr.trim()}`);
  refuseLinks(into, `--base ${revision}`);
  linkPackages(root, into);
  return commit;
}

/** Or a link; not a submodule, and not what is deleted but still in the index. */
function isFile(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat !== undefined && !stat.isDirectory();
}

/** Packages are those that are installed; nothing is fetched. */
function linkPackages(root: string, into: string): void {
  for (let folder = root; ; folder = dirname(folder)) {
    const packages = join(folder, "node_modules");
    if (existsSync(packages)) {
      if (!existsSync(join(into, "node_modules"))) symlinkSync(realpathSync(packages), join(into, "node_modules"));
      return;
    }
    if (folder === dirname(folder))
      throw new UserError(`There is no node_modules in ${root} or above it: run npm ci there.`);
  }
}
