import { chmodSync, copyFileSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { hasCode, SettingsError, UserError } from "../../base/errors.ts";
import { cleanEnvironment, inheritedBy } from "../../base/machine/environment.ts";
import { runGit } from "../../base/machine/git.ts";
import { makeFolders } from "../../base/machine/private-files.ts";
import { type RunResult, run } from "../../base/machine/run.ts";
import { atPath } from "../../base/system-errors.ts";
import { printable } from "../../base/wording.ts";
import { packagePath } from "./files.ts";
import type { PackageFile } from "./package-file.ts";
import type { Place } from "./place.ts";

export interface CreateRequest {
  place: Place;
  files: ReadonlyMap<string, string>;
  packageFile?: PackageFile | undefined;
  /** Writes further files, given the folder that the repository is built in. */
  complete?: ((folder: string) => Promise<void>) | undefined;
  /** Run `npm install`, so that package-lock.json is part of the first commit. */
  install: boolean;
  /** Becomes the remote `origin`; nothing is fetched from it or pushed to it. */
  remote?: string | undefined;
  message: string;
  tell: (text: string) => void;
  signal: AbortSignal;
}

/** Whose name the first commit has if git knows none. */
const nobody = { name: "clawdlets", email: "clawdlets@localhost.invalid" };

export interface Created {
  commit: string;
  /** False if git knows no name and address of yours. */
  isYours: boolean;
}

/**
 * Makes a repository with its first commit. Builds it in a folder beside its place, and moves it there as the last step: a failure
 * or Ctrl-C leaves nothing.
 * @throws UserError with the reason of npm or git
 */
export async function createRepository(request: CreateRequest): Promise<Created> {
  const { place, signal } = request;
  const prefix = place.exists
    ? join(place.folder, ".new-")
    : join(dirname(place.folder), `.${basename(place.folder)}.new-`);
  const side = mkdtempSync(prefix);
  try {
    const created = await build(request, side);
    signal.throwIfAborted();
    moveIn(side, place);
    return created;
  } finally {
    rmSync(side, { recursive: true, force: true });
  }
}

async function build(
  { files, packageFile, complete, install, remote, message, tell, signal }: CreateRequest,
  side: string,
): Promise<Created> {
  // mkdtemp makes folders for their owner alone.
  chmodSync(side, 0o777 & ~process.umask());
  for (const [path, text] of files) {
    makeFolders(dirname(join(side, path)));
    writeFileSync(join(side, path), text);
  }
  if (packageFile) {
    makeFolders(join(side, dirname(packagePath(packageFile))));
    copyFileSync(packageFile.path, join(side, packagePath(packageFile)));
  }
  await complete?.(side);
  if (install) await npmInstall(side, tell, signal);
  const git = async (what: string, ...args: string[]) =>
    checked(what, await runGit(side, args, { timeoutSeconds: 120, signal }), signal);
  await git("git init", "init", "--quiet", "--initial-branch=main");
  if (remote !== undefined) await git("git remote", "remote", "add", "origin", remote);
  await git("git add", "add", "--all");
  const known = [await configured(side, "user.name"), await configured(side, "user.email")];
  const isYours = known.every((value) => value !== "");
  const author = isYours ? [] : ["-c", `user.name=${nobody.name}`, "-c", `user.email=${nobody.email}`];
  // A signature could wait for a passphrase that nobody is asked for.
  await git("git commit", ...author, "-c", "commit.gpgsign=false", "commit", "--quiet", "--message", message);
  return { commit: (await git("git rev-parse", "rev-parse", "HEAD")).trim(), isYours };
}

const configured = async (folder: string, key: string) =>
  (await runGit(folder, ["config", "--get", key], { timeoutSeconds: 30 })).stdout.trim();

async function npmInstall(side: string, tell: (text: string) => void, signal: AbortSignal): Promise<void> {
  tell("installing packages (npm install)");
  // npm takes its registry and its proxy from these, too.
  const env = cleanEnvironment(inheritedBy((key) => /^npm_config_/i.test(key)));
  const args = [
    "install",
    "--ignore-scripts",
    "--prefer-offline",
    "--no-audit",
    "--no-fund",
    "--no-progress",
    "--loglevel=error",
  ];
  const result = await run("npm", args, { cwd: side, env, timeoutSeconds: 600, signal });
  await checked(
    "npm install",
    result,
    signal,
    "Pass --no-install to do it later, or --package for a build that no registry has.",
  );
}

/** @returns its output @throws UserError with what it said */
function checked(
  what: string,
  result: RunResult,
  signal: AbortSignal,
  fix = "Fix it, and run the same command again.",
): string {
  signal.throwIfAborted();
  if (result.exitCode === 0) return result.stdout;
  const said = printable(`${result.stderr}`.trim()).split("\n").slice(0, 12);
  const why = result.timedOut ? "took too long" : "failed";
  throw new UserError(
    { code: "failed", subject: "the new repository", problem: `${what} ${why}. Nothing was left behind.`, fix },
    { details: said },
  );
}

/** An empty folder is filled, since a shell may be in it; `.git` last, so that a repository is there only when it is whole. */
function moveIn(side: string, { folder, exists }: Place): void {
  if (!exists) {
    try {
      renameSync(side, folder);
    } catch (error) {
      if (!hasCode(error, "ENOTEMPTY", "EEXIST", "ENOTDIR")) throw atPath(error, folder);
      throw new SettingsError([
        {
          code: "file-in-the-way",
          subject: folder,
          problem: "was made by another program meanwhile.",
          fix: "Choose another folder.",
        },
      ]);
    }
    return;
  }
  const names = readdirSync(side).sort((left, right) => Number(left === ".git") - Number(right === ".git"));
  const moved: string[] = [];
  try {
    for (const name of names) {
      renameSync(join(side, name), join(folder, name));
      moved.push(name);
    }
  } catch (error) {
    for (const name of moved) rmSync(join(folder, name), { recursive: true, force: true });
    throw atPath(error, folder);
  }
}
