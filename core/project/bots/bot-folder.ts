import { join } from "node:path";
import { readFolder } from "../../base/machine/private-files.ts";
import type { Problem } from "../../base/problem.ts";
import type { Layout } from "../layout.ts";
import { botNameAllowed, botNamePattern } from "../settings/names.ts";
import { type OpenclawConfig, parseOpenclaw } from "./config.ts";
import { readBotFile } from "./read-file.ts";
import { referencesIn } from "./references.ts";
import { readSecretNames } from "./secret-names.ts";

/** A file of a bot's folder, by its path relative to the project. */
export interface BotFile {
  file: string;
  text: string;
}

/** What `bots/<name>/` says of a bot that runs OpenClaw. */
export interface BotFolder extends BotFile {
  name: string;
  config: OpenclawConfig;
  /** Variables that the configuration refers to, sorted. */
  references: string[];
  /** Of `secrets.json`: secrets by variable, where they have names of their own. */
  secretNames: Readonly<Record<string, string>>;
  /** `workspace/*.md`, which are copied into an empty workspace. */
  documents: BotFile[];
}

export const botFolderOf = (bot: string) => `bots/${bot}`;
export const botFileOf = (bot: string) => `${botFolderOf(bot)}/openclaw.json`;

/** The folders below `bots/`, sorted, whatever is in them. */
export const listBotFolders = ({ root }: Pick<Layout, "root">): string[] => readFolder(join(root, "bots"));

/**
 * Reads a bot's folder.
 * @returns neither value nor problem for a bot without an openclaw.json: its program is declared in Nix
 */
export function readBot(layout: Pick<Layout, "root">, name: string): { value?: BotFolder; problems: Problem[] } {
  const file = botFileOf(name);
  // Before the disk is touched: a name such as ".." is a path.
  if (!botNamePattern.test(name)) {
    const problem = `"${name}" is not a bot name; allowed: ${botNameAllowed}.`;
    return { problems: [{ code: "invalid-value", subject: "bots", setting: "name", problem }] };
  }
  const read = readBotFile(layout, file);
  if (read.text === undefined) return { problems: read.problems };
  const parsed = parseOpenclaw(read.text, file);
  const documents = readDocuments(layout, name);
  const secrets = readSecretNames(layout, `${botFolderOf(name)}/secrets.json`);
  const problems = [...parsed.problems, ...documents.problems, ...secrets.problems];
  if (!parsed.value || problems.length > 0) return { problems };
  const { text } = read;
  const references = referencesIn(text);
  const { names: secretNames } = secrets;
  return {
    value: { name, file, text, config: parsed.value, references, secretNames, documents: documents.files },
    problems,
  };
}

function readDocuments(layout: Pick<Layout, "root">, bot: string): { files: BotFile[]; problems: Problem[] } {
  const folder = `${botFolderOf(bot)}/workspace`;
  const names = readFolder(join(layout.root, folder)).filter((each) => each.endsWith(".md"));
  const read = names.map((each) => ({ file: `${folder}/${each}`, ...readBotFile(layout, `${folder}/${each}`) }));
  return {
    files: read.flatMap(({ file, text }) => (text === undefined ? [] : [{ file, text }])),
    problems: read.flatMap(({ problems }) => problems),
  };
}

/** The folders of these bots, for those that have one, and everything that is wrong in any of them. */
export function readBots(
  layout: Pick<Layout, "root">,
  names: readonly string[],
): { bots: BotFolder[]; problems: Problem[] } {
  const present = new Set(listBotFolders(layout));
  const read = names.filter((name) => present.has(name)).map((name) => readBot(layout, name));
  return { bots: read.flatMap(({ value }) => value ?? []), problems: read.flatMap(({ problems }) => problems) };
}
