import { existsSync } from "node:fs";
import { relative, resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import type { HostArgs } from "../components/index.ts";
import { SettingsError } from "../core/base/errors.ts";
import type { Environment } from "../core/base/machine/environment.ts";
import type { Problem } from "../core/base/problem.ts";
import { problemsOf } from "../core/base/problems.ts";
import { quoted } from "../core/base/wording.ts";
import { findLayout, hostLayoutOf, type Layout } from "../core/project/layout.ts";
import { hostName } from "../core/project/settings/names.ts";
import { checkStackConfig } from "../core/project/settings/stack-config/check.ts";
import { configNamespace } from "../core/project/settings/stack-config/stack-config.ts";
import { readRawStackFile, readStackFile } from "../core/project/settings/stack-file.ts";
import { loadProgram } from "../core/tasks/program.ts";

const text = "allowed: text";
/** The inputs that have to be known at once, as they decide which files are read. */
const plainInputs = z.object({
  host: hostName.optional(),
  folder: z.string(text).min(1, text).optional(),
  settings: z.record(z.string(), z.unknown(), "allowed: settings by name").optional(),
});

/**
 * Reads a host's settings for a program in another language.
 * @throws SettingsError with all problems at once, before anything is registered
 */
export async function hostArgs(name: string, inputs: pulumi.Inputs, environment: Environment): Promise<HostArgs> {
  const parsed = plainInputs.safeParse({ host: name, ...inputs });
  if (!parsed.success) {
    throw new SettingsError(problemsOf(parsed.error, inputs, { where: `Host ${quoted(name)}`, known: [] }));
  }
  const { host = name, settings } = parsed.data;
  const folder = resolve(parsed.data.folder ?? ".");
  const dryRun = pulumi.runtime.isDryRun();
  const config = settings && byValue(findLayout(folder), host, settings, dryRun);
  const { warnings, ...args } = await loadProgram({
    stack: host,
    ...(config && { config }),
    folder,
    environment,
    dryRun,
  });
  for (const warning of warnings) await pulumi.log.warn(warning);
  const { firewallRules, placementGroupId, primaryIpv4Id, primaryIpv6Id } = inputs;
  const given = Object.entries({ placementGroupId, primaryIpv4Id, primaryIpv6Id }).filter(([, id]) => id !== undefined);
  return { ...args, ...(firewallRules && { firewallRules }), server: Object.fromEntries(given) };
}

/**
 * The installation and every later command read the stack file. A setting by value that differs from it would describe a host other than
 * the one that is installed and proved.
 * @returns the settings for {@link loadProgram}, or undefined if those of the file are all there is
 * @throws SettingsError
 */
function byValue(
  layout: Layout,
  host: string,
  settings: Readonly<Record<string, unknown>>,
  dryRun: boolean,
): Record<string, string> | undefined {
  const { stackFile } = hostLayoutOf(layout, host);
  const where = relative(layout.root, stackFile);
  if (!existsSync(stackFile)) {
    if (dryRun) return asConfig(settings);
    const problem = `there is no such file. The settings of ${host} were passed by value, which is enough for a preview only.`;
    throw new SettingsError([
      { code: "file-missing", subject: where, problem, fix: `Create it: clawdlets init --host ${host}` },
    ]);
  }
  const file = readStackFile(layout, host);
  if (!file.value) throw new SettingsError(file.problems);
  const inFile: Record<string, unknown> = file.value;
  const merged = checkStackConfig({ ...readRawStackFile(layout, host), ...settings }, `Host ${quoted(host)}`);
  const given: Record<string, unknown> = merged.value ?? {};
  const differ = Object.keys(settings).filter((key) => merged.value && !isDeepStrictEqual(inFile[key], given[key]));
  const problems = [
    ...merged.problems,
    ...differ.map((key): Problem => {
      const setting = `${configNamespace}:${key}`;
      const problem = `is ${quoted(inFile[key])} here, and ${quoted(given[key])} in the program.`;
      return { code: "settings-disagree", subject: where, setting, problem, fix: "Use the same value in both." };
    }),
  ];
  if (problems.length > 0) throw new SettingsError(problems);
  return undefined;
}

/** As the engine passes the settings of a stack: all of them text. */
function asConfig(settings: Readonly<Record<string, unknown>>): Record<string, string> {
  const texts = Object.entries(settings).map(([key, value]) => {
    return [`${configNamespace}:${key}`, typeof value === "string" ? value : JSON.stringify(value)];
  });
  return Object.fromEntries(texts);
}
