import { statSync } from "node:fs";
import { join } from "node:path";
import { SettingsError } from "../../base/errors.ts";
import { readFolder } from "../../base/machine/private-files.ts";
import type { Objection } from "../../base/problem.ts";
import { parseJson } from "../../base/text/json.ts";
import { parseJsonText } from "../../base/text/json-text.ts";
import { readText } from "../../base/text/read-text.ts";
import { isObject } from "./values.ts";

/** Upstream's settings as they were read, not checked any further. */
export interface UpstreamConfig {
  file: string;
  schemaVersion: number;
  config: Readonly<Record<string, unknown>>;
  /** Server types by host, of `.clawdlets/stack.json`: before schema 4, clawdlets.json had none. */
  serverTypes: ReadonlyMap<string, string>;
  /** Documents for the bots' workspaces, by their path: AGENTS.md, common/SOUL.md, bots/maren/USER.md. */
  documents: ReadonlyMap<string, string>;
}

/** Where upstream has had the file and the documents: at b49d4af, and since 33011dc. */
const places = [
  { config: "infra/configs/clawdlets.json", documents: "infra/documents" },
  { config: "fleet/clawdlets.json", documents: "fleet/workspaces" },
];

/** The newest that is known; 69286a2. */
export const newestSchema = 12;

/**
 * Reads an upstream project. Only reads.
 * @param path its folder, or the file itself
 * @throws SettingsError if there is no such file, or it is something else
 */
export function readUpstream(path: string): UpstreamConfig {
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  const refuse = (objection: Objection) => new SettingsError([{ subject: path, setting: "--from", ...objection }]);
  const tried = isFolder
    ? places.map((place) => ({ file: join(path, place.config), documents: join(path, place.documents) }))
    : [{ file: path, documents: undefined }];
  for (const { file, documents } of tried) {
    const { text, problems } = readText(file, file);
    if (problems.length > 0) throw new SettingsError(problems);
    if (text === undefined) continue;
    const parsed = parseJsonText(text, file);
    if (parsed.problems.length > 0) throw new SettingsError(parsed.problems);
    const config = parsed.value;
    if (!isObject(config) || !isObject(config["hosts"])) {
      throw refuse({ code: "file-invalid", problem: `${file} is not upstream's clawdlets.json: it has no hosts.` });
    }
    const { schemaVersion } = config;
    if (typeof schemaVersion !== "number" || !Number.isInteger(schemaVersion) || schemaVersion < 1) {
      const problem = `${file} has no schemaVersion; allowed: a whole number, as upstream writes it.`;
      throw refuse({ code: "wrong-version", problem });
    }
    return {
      file,
      schemaVersion,
      config,
      serverTypes: isFolder ? serverTypesIn(path) : new Map(),
      documents: documents === undefined ? new Map() : documentsIn(documents),
    };
  }
  const where = tried.map(({ file }) => file).join(" and ");
  const fix = "Name upstream's project, or its clawdlets.json.";
  throw refuse({ code: "file-missing", problem: `there is no ${where}.`, fix });
}

/** What cannot be read says nothing: it is asked for later. */
function serverTypesIn(folder: string): Map<string, string> {
  const stack = parseJson(readText(join(folder, ".clawdlets", "stack.json"), "").text);
  const hosts = isObject(stack) && isObject(stack["hosts"]) ? Object.entries(stack["hosts"]) : [];
  return new Map(
    hosts.flatMap(([host, entry]) => {
      const hetzner = isObject(entry) ? entry["hetzner"] : undefined;
      const type = isObject(hetzner) ? hetzner["serverType"] : undefined;
      return typeof type === "string" ? [[host, type] as const] : [];
    }),
  );
}

/** At the top, in common/ and in bots/<bot>/. @throws SettingsError for one that leads out of the folder, or is too large */
function documentsIn(folder: string): Map<string, string> {
  const folders = ["", "common", ...readFolder(join(folder, "bots")).map((bot) => `bots/${bot}`)];
  const found = new Map<string, string>();
  for (const each of folders) {
    for (const name of readFolder(join(folder, each)).filter((entry) => entry.endsWith(".md"))) {
      const path = each === "" ? name : `${each}/${name}`;
      const { text, problems } = readText(join(folder, path), join(folder, path), folder);
      if (problems.length > 0) throw new SettingsError(problems);
      if (text !== undefined) found.set(path, text);
    }
  }
  return found;
}
