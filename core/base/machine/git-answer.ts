import { spawnSync } from "node:child_process";
import { hasCode } from "../errors.ts";
import { cleanEnvironment } from "./environment.ts";

/** Whatever a repository's own configuration would start, or ask another machine for, in commands that only read it. */
export const harmless: readonly [string, string][] = [
  ["core.fsmonitor", "false"],
  ["core.hooksPath", "/dev/null"],
  ["log.showSignature", "false"],
];

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
  const plain = { ...Object.fromEntries(environment), LC_ALL: "C", GIT_OPTIONAL_LOCKS: "0" };
  // Not execa: the published library loads settings, and reads nothing of its surroundings when it is imported.
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

/** Settings by the environment go before those of every file, and may have any name. */
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
