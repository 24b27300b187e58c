import { spawnSync } from "node:child_process";
import { hasCode } from "../errors.ts";
import { cleanEnvironment } from "./environment.ts";

/** Overrides settings with which a repository's own configuration would run programs, even in read-only commands. */
export const harmless: readonly [string, string][] = [
  ["core.fsmonitor", "false"],
  ["core.hooksPath", "/dev/null"],
  ["log.showSignature", "false"],
];

/**
 * Runs git in the repository around a folder. Ignores GIT_DIR and similar variables, and does not run programs that the
 * repository's configuration names. For trust checks, which happen before anything else is read.
 */
export function gitAnswer(
  folder: string,
  args: readonly string[],
  input = "",
): { exitCode: number; stdout: string; stderr: string } {
  const environment = Object.entries(cleanEnvironment()).filter(([key]) => !/^GIT_(?!CONFIG)/.test(key));
  const plain = { ...Object.fromEntries(environment), LC_ALL: "C", GIT_OPTIONAL_LOCKS: "0" };
  // Not execa: the published library must not read its environment when it is imported.
  const answer = spawnSync("git", args, {
    cwd: folder,
    env: { ...withSettings(plain, harmless), GIT_ALLOW_PROTOCOL: "" },
    input,
    encoding: "utf8",
    timeout: 30_000,
    maxBuffer: 64 * 1024 * 1024,
  });
  const stderr = hasCode(answer.error, "ENOENT") ? "git is not installed" : (answer.stderr ?? "");
  return { exitCode: answer.status ?? 1, stdout: answer.stdout ?? "", stderr };
}

/** Settings from the environment (GIT_CONFIG_COUNT) override those of every file, and may have any name. */
export function withSettings(
  env: Readonly<Record<string, string>>,
  settings: readonly (readonly [string, string])[],
): Record<string, string> {
  const before = Number(env["GIT_CONFIG_COUNT"] ?? 0) || 0;
  const added = settings.flatMap(([key, value], index) => [
    [`GIT_CONFIG_KEY_${before + index}`, key],
    [`GIT_CONFIG_VALUE_${before + index}`, value],
  ]);
  return { ...env, GIT_CONFIG_COUNT: String(before + settings.length), ...Object.fromEntries(added) };
}

/** Since 2.35.2, git refuses a repository that another user owns, as in a container on a mounted checkout (NixOS/nix#6443). */
export const isForeignRepository = (stderr: string): boolean => /dubious ownership|unsafe repository/.test(stderr);

export const foreignRepository = "git refuses this repository, because another user owns it";

/** Why git did not answer about a folder, as a clause. */
export const whyNoAnswer = (stderr: string): string =>
  isForeignRepository(stderr) ? foreignRepository : "git does not know this folder";
