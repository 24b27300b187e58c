import { execaSync } from "execa";
import { cleanEnvironment } from "./environment.ts";
import { run } from "./run.ts";

/** What a git command printed, or nothing where it failed. */
export async function git(folder: string, ...args: string[]): Promise<string | undefined> {
  const { exitCode, stdout } = await run("git", args, { cwd: folder, timeoutSeconds: 30 });
  return exitCode === 0 ? stdout.trim() : undefined;
}

/**
 * What git says of the repository that a folder is in, whatever the environment says of another one, and without starting what
 * that repository's configuration names. For questions of trust, which a loader asks before anything else.
 */
export function gitAnswer(
  folder: string,
  args: readonly string[],
  input = "",
): { exitCode: number; stdout: string; stderr: string } {
  const environment = Object.entries(cleanEnvironment()).filter(([key]) => !/^GIT_(?!CONFIG)/.test(key));
  const answer = execaSync("git", ["-c", "core.fsmonitor=false", ...args], {
    cwd: folder,
    env: { ...Object.fromEntries(environment), LC_ALL: "C", GIT_OPTIONAL_LOCKS: "0" },
    extendEnv: false,
    input,
    reject: false,
    stripFinalNewline: false,
    timeout: 30_000,
  });
  const stderr = answer.code === "ENOENT" ? "git is not installed" : (answer.stderr ?? "");
  return { exitCode: answer.exitCode ?? 1, stdout: answer.stdout, stderr };
}
