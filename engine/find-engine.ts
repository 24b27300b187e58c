import { isAbsolute } from "node:path";
import { SettingsError } from "../core/base/errors.ts";
import { type Environment, ownEnvironment } from "../core/base/machine/environment.ts";
import { isExecutable } from "../core/base/machine/on-path.ts";
import { changeableBy } from "../core/base/machine/trusted-program.ts";
import type { Objection, Problem } from "../core/base/problem.ts";
import { quoted } from "../core/base/wording.ts";
import { theEnvironment } from "../core/project/settings/env-file.ts";
import { type Engine, findEngine as findOwnEngine, withNamedParts } from "../toolchain/index.ts";

/** Variables that name a part of the engine to run in place of the project's own, each with the program that it names. */
export const partKeys = {
  CLAWDLETS_LANGUAGE_HOST: "pulumi-language-nodejs",
  CLAWDLETS_COMMAND_PLUGIN: "pulumi-resource-command",
} as const;

/**
 * The project's engine, with the parts that the environment names.
 * @returns undefined where the engine is not complete
 * @throws SettingsError for a named part that is not an executable, or that others can change
 */
export function findEngine(projectRoot: string, environment: Environment = ownEnvironment()): Engine | undefined {
  const engine = findOwnEngine(projectRoot);
  return engine && withParts(projectRoot, engine, environment);
}

/** The engine with the parts that the environment names. @throws SettingsError as {@link findEngine} */
export function withParts(projectRoot: string, engine: Engine, environment: Environment): Engine {
  const problems: Problem[] = [];
  const named = (key: keyof typeof partKeys): string | undefined => {
    const path = environment[key]?.trim() || undefined;
    const wrong = path === undefined ? undefined : partProblem(key, path);
    if (wrong) problems.push({ subject: theEnvironment, setting: key, ...wrong });
    return path;
  };
  const parts = { languageHost: named("CLAWDLETS_LANGUAGE_HOST"), commandPlugin: named("CLAWDLETS_COMMAND_PLUGIN") };
  if (problems.length > 0) throw new SettingsError(problems);
  return withNamedParts(projectRoot, engine, parts);
}

function partProblem(key: keyof typeof partKeys, path: string): Objection | undefined {
  const named = `is ${quoted(path)}`;
  if (!isAbsolute(path)) {
    const fix = `Use an absolute path, e.g. /usr/local/bin/${partKeys[key]}.`;
    return { code: "invalid-value", problem: `${named}, which is a relative path.`, fix };
  }
  if (!isExecutable(path)) {
    return { code: "program-missing", problem: `${named}, which is not executable.`, fix: `Fix it, or unset ${key}.` };
  }
  const why = changeableBy(path);
  if (why === undefined) return undefined;
  return {
    code: "file-exposed",
    problem: `${named}, but ${why}.`,
    fix: "Name a program that only you or root can change.",
  };
}
