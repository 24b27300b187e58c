import { readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { parse } from "yaml";
import { z } from "zod";
import { problemLine } from "../../core/base/problem.ts";
import { problemCodes } from "../../core/base/problem-codes.ts";
import { secretName } from "../../core/project/settings/names.ts";
import { checkStackConfig } from "../../core/project/settings/stack-config/check.ts";
import { parseStackJson } from "../../core/project/settings/stack-json/stack-json.ts";
import { parseFaults } from "../../emulator/faults/schema.ts";
import { rules } from "../../policy/rules/index.ts";
import { repository } from "../_repository.ts";
import { enough, host } from "../nix/_host.ts";
import type { Snippet } from "./_pages.ts";

/** A stack file, or the part of one that a page is about. */
export function yamlProblems({ text, where }: Snippet): string[] {
  const { config, ...rest } = parse(text) as Record<string, unknown>;
  if (rest["resources"]) return resourceProblems(rest["resources"] as Record<string, YamlResource>);
  const other = Object.keys(rest).filter((key) => key !== "encryptionsalt");
  if (typeof config !== "object" || config === null || other.length > 0)
    return [`no stack file: has ${other.join(", ")}`];
  const keys = Object.entries(config).map(([key, value]) => {
    return [key.startsWith("clawdlets:") ? key.slice("clawdlets:".length) : `(not ours) ${key}`, value] as const;
  });
  const { problems } = checkStackConfig(Object.fromEntries(keys), where);
  return problems.filter(({ code }) => code !== "missing-setting").map((each) => problemLine({ ...each, subject: "" }));
}

interface YamlResource {
  type: string;
  properties?: Record<string, unknown>;
}

/** A program in YAML, against the component package's schema. */
function resourceProblems(resources: Readonly<Record<string, YamlResource>>): string[] {
  const { resources: declared } = JSON.parse(readFileSync(join(repository, "provider", "schema.json"), "utf8"));
  return Object.entries(resources).flatMap(([name, { type, properties = {} }]) => {
    const component = declared[type.replace(/^clawdlets:(?=\w+$)/, "clawdlets:index:")];
    if (!component) return [`${name}: there is no ${type}`];
    return Object.keys(properties)
      .filter((key) => !component.inputProperties[key])
      .map((key) => `${name}: ${type} has no ${key}`);
  });
}

/** stack.json, the policy's settings or the emulator's faults, told apart by their keys. */
export function jsonProblems({ text, where }: Snippet): string[] {
  const value: unknown = JSON.parse(text);
  if (Array.isArray(value)) return parseFaults(value, where).length > 0 ? [] : ["no fault in it"];
  const keys = Object.keys(value as object);
  if (keys.includes("code"))
    return value && Object.hasOwn(problemCodes, (value as { code: string }).code) ? [] : ["no such code"];
  // secrets.json of a bot: variables, and names of secrets.
  if (keys.every((key) => /^[A-Z_]+$/.test(key))) {
    const names = Object.entries(value as object);
    return names.flatMap(([key, name]) =>
      secretName.safeParse(name).success ? [] : [`${key}: ${name} cannot name a secret`],
    );
  }
  if (keys.includes("schemaVersion"))
    return parseStackJson(text, where).problems.map((each) => problemLine({ ...each, subject: "" }));
  return keys.flatMap((key) => policyProblems(key, (value as Record<string, Record<string, unknown>>)[key] ?? {}));
}

function policyProblems(name: string, { enforcementLevel, ...settings }: Readonly<Record<string, unknown>>): string[] {
  const rule = rules.find((each) => each.name === name);
  if (!rule) return [`the pack has no rule "${name}"`];
  const levels = ["advisory", "mandatory", "remediate", "disabled", undefined];
  if (!levels.some((each) => each === enforcementLevel))
    return [`${name}: enforcementLevel is ${String(enforcementLevel)}`];
  const { error } = z.strictObject(rule.settings.shape).safeParse(settings);
  return error ? [`${name}: ${z.prettifyError(error)}`] : [];
}

/** Type-checks snippets as files of the project's root would be, against the sources that the package is made of. */
export function typeProblems(snippets: readonly Snippet[]): string[] {
  const texts = new Map(
    snippets.map(({ text }, index) => [join(repository, `_docs-${index}.ts`), `${text}\nexport {};\n`]),
  );
  const { config } = ts.readConfigFile(join(repository, "tsconfig.json"), (file) => readFileSync(file, "utf8"));
  const parsed = ts.parseJsonConfigFileContent({ ...config, include: [], files: [] }, ts.sys, repository).options;
  const paths = {
    "@clawdlets/infra": [join(repository, "components", "index.ts")],
    "@clawdlets/infra/policy": [join(repository, "policy", "index.ts")],
  };
  const options = { ...parsed, noUnusedLocals: false, paths };
  const compiler = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = compiler;
  compiler.fileExists = (file) => texts.has(file) || fileExists(file);
  compiler.readFile = (file) => texts.get(file) ?? readFile(file);
  compiler.getSourceFile = (file, version, ...rest) => {
    const text = texts.get(file);
    return text === undefined ? getSourceFile(file, version, ...rest) : ts.createSourceFile(file, text, version);
  };
  const program = ts.createProgram([...texts.keys()], options, compiler);
  return [...texts.keys()].flatMap((file, index) => {
    const found = ts.getPreEmitDiagnostics(program, program.getSourceFile(file));
    const where = snippets[index]?.where;
    return found.map(({ messageText }) => `${where}: ${ts.flattenDiagnosticMessageText(messageText, " ")}`);
  });
}

/** A module, or some of its settings, on a host that is whole otherwise: evaluated with our modules and option declarations. */
export async function nixProblems({ text }: Snippet): Promise<string[]> {
  const isModule = /^(?:#.*\n|\s)*\{/.test(text);
  // A package of the reader's.
  const code = (isModule ? text : `{ ${text} }`).replaceAll("pkgs.your-bot", "pkgs.hello");
  const { refused } = await host(enough, code);
  return refused;
}
