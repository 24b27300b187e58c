import { join, relative } from "node:path";
import { Document, isMap, isNode, isSeq } from "yaml";
import { SettingsError } from "../../base/errors.ts";
import { readFolder, writePublicFile } from "../../base/machine/private-files.ts";
import type { Problem } from "../../base/problem.ts";
import { parseJson } from "../../base/text/json.ts";
import { parsePlainYaml } from "../../base/text/plain-yaml.ts";
import { withoutComment } from "../../base/text/public-key-line.ts";
import { readText } from "../../base/text/read-text.ts";
import { quoted, safeText } from "../../base/wording.ts";
import { hostLayoutOf, type Layout } from "../layout.ts";
import { exampleHost, exampleRecipient, exampleSshKey, isExampleKey, withoutExampleKeys } from "./example-stack.ts";
import { hostNameAllowed, hostNamePattern } from "./names.ts";
import { projectConfigKeys, providerProblems } from "./provider-config.ts";
import { checkStackConfig } from "./stack-config/check.ts";
import { configNamespace, type StackConfig } from "./stack-config/stack-config.ts";
import { parseStackYaml } from "./stack-yaml.ts";

/** The hosts that have a stack file, sorted. Not the example, until `init` has made keys for it. */
export function listStackFiles(layout: Layout): string[] {
  return readFolder(layout.stacks)
    .flatMap((file) => /^Pulumi\.(.+)\.yaml$/.exec(file)?.[1] ?? [])
    .filter((host) => host !== exampleHost || !hasExample(layout))
    .sort();
}

/** Whether the project has the example stack, with the example's keys. */
export function hasExample(layout: Layout): boolean {
  const { text } = readText(hostLayoutOf(layout, exampleHost).stackFile, "");
  return text?.includes(exampleRecipient) === true;
}

/** Reads one stack file without the engine. */
export function readStackFile(layout: Layout, host: string): { value?: StackConfig; problems: Problem[] } {
  const file = hostLayoutOf(layout, host).stackFile;
  const where = relative(layout.root, file);
  if (!hostNamePattern.test(host)) {
    return {
      problems: [
        {
          code: "invalid-value",
          subject: where,
          setting: "name",
          problem: `"${host}" is not a host name; allowed: ${hostNameAllowed}`,
        },
      ],
    };
  }
  const { text, problems } = readText(file, where);
  if (problems.length > 0) return { problems };
  if (text === undefined) {
    return {
      problems: [
        {
          code: "file-missing",
          subject: where,
          problem: "there is no such file.",
          fix: `Create it: clawdlets init --host ${host}`,
        },
      ],
    };
  }
  const config = stackTextSettings(text, where);
  const all = [...projectDefaults(layout), ...config.problems];
  if (!config.value || all.length > 0) return { problems: all };
  const checked = checkStackConfig(config.value, where);
  const foreign = [
    ...providerProblems(config.keys ?? [], where, host),
    ...providerProblems(projectConfigKeys(layout), "Pulumi.yaml", host),
  ];
  // Return the settings despite these problems: read-only commands still use them.
  return { ...checked, problems: [...checked.problems, ...foreign] };
}

/**
 * The settings that a stack file has so far, unchecked; before `secrets init`, the public keys are missing.
 * @throws SettingsError if it cannot be read
 */
export function readRawStackFile(layout: Layout, host: string): Record<string, unknown> {
  return withoutExampleKeys(parsedStackFile(layout, host, stackTextSettings).value ?? {});
}

/**
 * True if the stack file has an `encryptionsalt`, which the engine writes when it encrypts with a passphrase.
 * @throws SettingsError if it cannot be read
 */
export function hasSalt(layout: Layout, host: string): boolean {
  return parsedStackFile(layout, host, parseStackYaml).document?.get("encryptionsalt") !== undefined;
}

/** @param missing text to parse if the file does not exist @throws SettingsError if it cannot be read */
function parsedStackFile<T extends { problems: Problem[] }>(
  layout: Layout,
  host: string,
  parse: (text: string, where: string) => T,
  missing = "",
): T {
  const file = hostLayoutOf(layout, host).stackFile;
  const where = relative(layout.root, file);
  const read = readText(file, where);
  const parsed = parse(read.text ?? missing, where);
  const problems = [...read.problems, ...parsed.problems];
  if (problems.length > 0) throw new SettingsError(problems);
  return parsed;
}

/** Our settings from a stack file's text, unchecked and without their prefix. @param where the file's name, for messages */
export function stackTextSettings(
  text: string,
  where: string,
): {
  value?: Record<string, unknown>;
  /** All settings of the file, including other namespaces. */
  keys?: string[];
  problems: Problem[];
} {
  const { document, problems } = parseStackYaml(text, where);
  if (!document) return { problems };
  const config = configOf(document);
  const keys = Object.keys(config);
  const hidden = keys.flatMap((key) => hiddenSetting(key, where) ?? []);
  if (hidden.length > 0) return { problems: hidden };
  const prefix = `${configNamespace}:`;
  const own = Object.entries(config).filter(([key]) => key.startsWith(prefix));
  return { value: Object.fromEntries(own.map(([key, value]) => [key.slice(prefix.length), value])), keys, problems };
}

function configOf(document: Document): Record<string, unknown> {
  const content: unknown = document.toJS();
  const config = typeof content === "object" && content !== null && "config" in content ? content.config : {};
  return typeof config === "object" && config !== null ? { ...config } : {};
}

/**
 * Finds our settings under spellings that only the engine reads: it adds the project's namespace to keys without one, and
 * `clawdlets:config:flake` is the old spelling of `clawdlets:flake`. @see pulumi, sdk/go/common/resource/config ParseKey
 */
function hiddenSetting(key: string, where: string): Problem | undefined {
  const old = `${configNamespace}:config:`;
  if (key.includes(":") && !key.startsWith(old)) return undefined;
  const name = key.startsWith(old) ? key.slice(old.length) : key;
  const meant = `${configNamespace}:${name}`;
  return {
    code: "ignored-setting",
    subject: where,
    setting: key,
    problem: `means ${meant} to the engine, and is ignored here.`,
    fix: `Write ${safeText(meant)}.`,
  };
}

/** Refuses defaults in Pulumi.yaml, which the engine would add to the settings of every stack file. */
function projectDefaults(layout: Layout): Problem[] {
  const where = "Pulumi.yaml";
  const { text, problems } = readText(join(layout.root, where), where);
  const parsed = text === undefined ? undefined : parsePlainYaml(text, where);
  if (!parsed?.document) return [...problems, ...(parsed?.problems ?? [])];
  const content: { name?: unknown } | null = parsed.document.toJS();
  const keys = Object.keys(configOf(parsed.document));
  return keys
    .filter((key) => key.startsWith(`${configNamespace}:`) || (content?.name === configNamespace && !key.includes(":")))
    .map((key) => ({
      code: "ignored-setting",
      subject: where,
      setting: `config.${key}`,
      problem: "is not read from Pulumi.yaml.",
      fix: "Move it to the stack file of each host.",
    }));
}

/** One value per line, however long: the Nix reader cannot read wrapped values. */
export const writing = { lineWidth: 0, doubleQuotedMinMultiLineLength: Number.MAX_SAFE_INTEGER } as const;

/**
 * Adds settings to a stack file and keeps everything else in it: other settings, comments, the engine's salt.
 * Keeps existing values, unless `overwrite` lists their key or they are keys of the example.
 * @throws SettingsError if the file is not YAML, or `config` is not a mapping
 */
export async function addToStackFile(
  layout: Layout,
  host: string,
  facts: Partial<Record<keyof StackConfig, unknown>>,
  overwrite: readonly (keyof StackConfig)[] = [],
): Promise<string[]> {
  const file = hostLayoutOf(layout, host).stackFile;
  const document = openForSettings(layout, host);
  const changed: string[] = [];
  for (const [key, value] of Object.entries(facts)) {
    const path = ["config", `${configNamespace}:${key}`];
    const before: unknown = document.hasIn(path) ? plain(document.getIn(path)) : undefined;
    const replace = overwrite.some((each) => each === key) || isExampleKey(before);
    if (value === undefined || (before !== undefined && !replace)) continue;
    if (JSON.stringify(before) === JSON.stringify(value)) continue;
    document.setIn(path, document.createNode(value));
    changed.push(key);
  }
  if (changed.length > 0) await writePublicFile(file, document.toString(writing));
  return changed;
}

/** Of one host alone. */
const ownKeys: readonly (keyof StackConfig)[] = ["flakeHost", "reinstall"];

/**
 * Writes a host's stack file as a copy of another's: its settings and comments, with the example's keys, until `init` has made some.
 * @param from the project of the other host
 * @param own the host's own settings, in place of the other's and of the example's keys
 * @throws SettingsError if that file cannot be read
 */
export async function copyStackFile(
  from: Layout,
  other: string,
  layout: Layout,
  host: string,
  own: Partial<Record<keyof StackConfig, unknown>> = {},
): Promise<void> {
  const { document } = parsedStackFile(from, other, parseStackYaml);
  if (!document) return;
  for (const key of ["encryptionsalt", "secretsprovider", "encryptedkey"]) document.delete(key);
  for (const key of ownKeys) document.deleteIn(["config", `${configNamespace}:${key}`]);
  const keys = { ageRecipient: exampleRecipient, sshHostKey: exampleSshKey, adminSshKeys: [exampleSshKey], ...own };
  for (const [key, value] of Object.entries(keys)) {
    document.setIn(["config", `${configNamespace}:${key}`], document.createNode(value));
  }
  document.commentBefore = heading(host).trim().replace(/^#/gm, "");
  await writePublicFile(hostLayoutOf(layout, host).stackFile, document.toString(writing));
}

const plain = (node: unknown): unknown => (isNode(node) ? node.toJSON() : node);

/**
 * `clawdlets:adminSshKeys` of a stack file; empty if it has none. The keys themselves are not checked.
 * @throws SettingsError if it is not a list: a change would overwrite what is there
 */
export function adminKeysOf(layout: Layout, host: string): string[] {
  const raw = readRawStackFile(layout, host)["adminSshKeys"];
  // The engine itself writes a list as JSON text.
  const keys = typeof raw === "string" ? parseJson(raw) : raw;
  if (raw === undefined) return [];
  if (Array.isArray(keys)) return keys.map(String);
  throw new SettingsError([
    {
      code: "invalid-value",
      subject: relative(layout.root, hostLayoutOf(layout, host).stackFile),
      setting: `${configNamespace}:adminSshKeys`,
      problem: `is ${quoted(raw)}; allowed: a list of public keys.`,
    },
  ]);
}

/**
 * Adds and removes keys in `clawdlets:adminSshKeys`, and keeps the other entries with their comments.
 * @param change keys with or without comment; what is compared is the key itself
 * @returns true if the file changed, or would with `dryRun`
 */
export async function changeAdminKeys(
  layout: Layout,
  host: string,
  { add = [], remove = [], dryRun = false }: { add?: readonly string[]; remove?: readonly string[]; dryRun?: boolean },
): Promise<boolean> {
  const document = openForSettings(layout, host);
  const path = ["config", `${configNamespace}:adminSshKeys`];
  const given: unknown = document.getIn(path, true);
  const keys = adminKeysOf(layout, host);
  const has = (list: readonly string[], key: string) =>
    list.some((each) => withoutComment(each) === withoutComment(key));
  const added = add.filter((key) => !has(keys, key));
  const kept = keys.filter((key) => !has(remove, key));
  if (added.length === 0 && kept.length === keys.length) return false;
  if (dryRun) return true;
  if (isSeq(given)) {
    given.items = given.items.filter((_, index) => !has(remove, keys[index] ?? ""));
    for (const key of added) given.add(document.createNode(key));
  } else document.setIn(path, document.createNode([...kept, ...added]));
  await writePublicFile(hostLayoutOf(layout, host).stackFile, document.toString(writing));
  return true;
}

function openForSettings(layout: Layout, host: string): Document {
  const parsed = parsedStackFile(layout, host, parseStackYaml, heading(host));
  const document: Document = parsed.document ?? new Document();
  if (document.contents === null) document.contents = document.createNode({});
  const config = isMap(document.contents) ? document.contents.get("config") : "";
  if (config === undefined) document.set("config", document.createNode({}));
  else if (!isMap(config)) {
    throw new SettingsError([
      {
        code: "invalid-value",
        subject: relative(layout.root, hostLayoutOf(layout, host).stackFile),
        setting: "config",
        problem: "is not a mapping; allowed: config: with one setting per line below it",
      },
    ]);
  }
  return document;
}

const heading = (host: string) => `# Settings of the host ${host}. Committed and public: nothing secret belongs here.
# All settings, with defaults and allowed values: docs/settings.md

`;
