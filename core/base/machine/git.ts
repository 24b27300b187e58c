import { run } from "./run.ts";

/** What a git command printed, or nothing where it failed. */
export async function git(folder: string, ...args: string[]): Promise<string | undefined> {
  const { exitCode, stdout } = await run("git", args, { cwd: folder, timeoutSeconds: 30 });
  return exitCode === 0 ? stdout.trim() : undefined;
}
