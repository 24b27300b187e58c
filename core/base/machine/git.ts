import { cleanEnvironment } from "./environment.ts";
import { harmless, withSettings } from "./git-answer.ts";
import { type RunOptions, type RunResult, run } from "./run.ts";

/** Commands for which git may run what the configuration has for single files: `filter.*.clean` and the like. */
const converting = new Set(["add", "archive", "commit", "diff", "log", "show", "status"]);

/** Both empty: the file as it is. A diff needs a program that prints it. */
const drivers: Readonly<Record<string, string>> = {
  clean: "",
  smudge: "",
  process: "",
  required: "false",
  textconv: "cat",
};

export interface GitOptions extends Omit<RunOptions, "cwd"> {
  /** For `ls-remote` in a folder without a repository; others reach no other machine. @default false */
  network?: boolean;
}

/**
 * Runs git in a repository that a stranger may have configured: `.git/config` can name programs, which git then starts with
 * the environment that it has. None of them is started, and git asks no other machine for objects that are missing.
 * Global settings, such as those of git-lfs, are the user's own and stay.
 */
export async function runGit(folder: string, args: readonly string[], options: GitOptions = {}): Promise<RunResult> {
  const { network = false, env = cleanEnvironment(), ...others } = options;
  const settings = args.some((arg) => converting.has(arg)) ? [...harmless, ...(await neutral(folder))] : harmless;
  const more = network ? {} : { GIT_ALLOW_PROTOCOL: "" };
  return run("git", args, { ...others, cwd: folder, env: { ...withSettings(env, settings), ...more } });
}

/** What a git command printed, or nothing where it failed. */
export async function git(folder: string, ...args: string[]): Promise<string | undefined> {
  const { exitCode, stdout } = await runGit(folder, args, { timeoutSeconds: 30 });
  return exitCode === 0 ? stdout.trim() : undefined;
}

/** The same safety for a program that runs git on its own, such as gitleaks. */
export async function gitEnvironment(folder: string): Promise<Record<string, string>> {
  const settings = [...harmless, ...(await neutral(folder))];
  return { ...withSettings(cleanEnvironment(), settings), GIT_ALLOW_PROTOCOL: "" };
}

/** Settings that take the place of the repository's own drivers, which have names that nobody knows beforehand. */
async function neutral(folder: string): Promise<[string, string][]> {
  const pattern = `^(filter|diff)\\..*\\.(${Object.keys(drivers).join("|")})$`;
  const args = ["config", "--null", "--show-scope", "--includes", "--name-only", "--get-regexp", pattern];
  const { stdout } = await run("git", args, { cwd: folder, timeoutSeconds: 30 });
  const words = stdout.split("\0");
  const own = words.filter((_, index) => index % 2 === 1 && /^(local|worktree)$/.test(words[index - 1] ?? ""));
  return [...new Set(own)].map((key) => [key, drivers[key.slice(key.lastIndexOf(".") + 1)] ?? ""]);
}
