import { cleanEnvironment } from "./environment.ts";
import { harmless, withSettings } from "./git-answer.ts";
import { type RunOptions, type RunResult, run } from "./run.ts";

/** Commands in which git may run per-file programs of the configuration, such as `filter.*.clean`. */
const converting = new Set(["add", "archive", "commit", "diff", "log", "show", "status"]);

/** An empty filter leaves the file unchanged. `textconv` needs a program that prints the file. */
const drivers: Readonly<Record<string, string>> = {
  clean: "",
  smudge: "",
  process: "",
  required: "false",
  textconv: "cat",
};

export interface GitOptions extends Omit<RunOptions, "cwd"> {
  /** Allows network access, for `ls-remote` in a folder without a repository. @default false */
  network?: boolean;
}

/**
 * Runs git in an untrusted repository: `.git/config` can name programs, which git would run with its whole environment.
 * None of them is run, and git does not fetch missing objects from another machine.
 * The user's global settings, such as those of git-lfs, still apply.
 */
export async function runGit(folder: string, args: readonly string[], options: GitOptions = {}): Promise<RunResult> {
  const { network = false, env = cleanEnvironment(), ...others } = options;
  const settings = args.some((arg) => converting.has(arg)) ? [...harmless, ...(await neutral(folder))] : harmless;
  const more = network ? {} : { GIT_ALLOW_PROTOCOL: "" };
  // In English: what git says is matched, and shown.
  return run("git", args, { ...others, cwd: folder, env: { ...withSettings(env, settings), ...more, LC_ALL: "C" } });
}

/** The output of a git command, or undefined if it failed. */
export async function git(folder: string, ...args: string[]): Promise<string | undefined> {
  const { exitCode, stdout } = await runGit(folder, args, { timeoutSeconds: 30 });
  return exitCode === 0 ? stdout.trim() : undefined;
}

/** An environment with the same protection, for a program that runs git itself, such as gitleaks. */
export async function gitEnvironment(folder: string): Promise<Record<string, string>> {
  const settings = [...harmless, ...(await neutral(folder))];
  return { ...withSettings(cleanEnvironment(), settings), GIT_ALLOW_PROTOCOL: "" };
}

/** Settings that override the repository's own filter and diff drivers, whose names have to be looked up first. */
async function neutral(folder: string): Promise<[string, string][]> {
  const pattern = `^(filter|diff)\\..*\\.(${Object.keys(drivers).join("|")})$`;
  const args = ["config", "--null", "--show-scope", "--includes", "--name-only", "--get-regexp", pattern];
  const { stdout } = await run("git", args, { cwd: folder, timeoutSeconds: 30 });
  const words = stdout.split("\0");
  const own = words.filter((_, index) => index % 2 === 1 && /^(local|worktree)$/.test(words[index - 1] ?? ""));
  return [...new Set(own)].map((key) => [key, drivers[key.slice(key.lastIndexOf(".") + 1)] ?? ""]);
}
