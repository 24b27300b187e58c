import { statSync } from "node:fs";
import { join } from "node:path";
import { SettingsError } from "../../base/errors.ts";
import { readFolder } from "../../base/machine/private-files.ts";
import { parseJsonText } from "../../base/text/json-text.ts";
import { readText } from "../../base/text/read-text.ts";
import type { FleetExtras } from "./bots.ts";
import { isObject } from "./values.ts";

/** In upstream's repository, as of b49d4af. */
const configFile = "infra/configs/clawdlets.json";
const documentsFolder = "infra/documents";

/**
 * Reads the fleet and its documents of upstream's project. Only reads.
 * @param path the project's folder, or its clawdlets.json, which has no documents
 * @throws SettingsError if there is no such file, or it is another one
 */
export function readFleet(path: string): { fleet: unknown; extras: FleetExtras } {
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  const file = isFolder ? join(path, configFile) : path;
  const read = readText(file, file);
  if (read.problems.length > 0) throw new SettingsError(read.problems);
  const about = { subject: file, setting: "--from" };
  if (read.text === undefined) {
    const problem = isFolder ? "there is no such file." : "there is no such file or folder.";
    const fix = `Name upstream's project, which has ${configFile}.`;
    throw new SettingsError([{ ...about, code: "file-missing", problem, fix }]);
  }
  const { value, problems } = parseJsonText(read.text, file);
  if (problems.length > 0) throw new SettingsError(problems);
  if (!isObject(value) || !isObject(value["fleet"])) {
    const problem = "is not upstream's clawdlets.json: it has no fleet.";
    throw new SettingsError([{ ...about, code: "file-invalid", problem }]);
  }
  const [host] = Object.values(Object(value["hosts"]));
  const model = isObject(host) ? host["agentModelPrimary"] : undefined;
  const documents = isFolder ? documentsIn(join(path, documentsFolder)) : new Map<string, string>();
  return { fleet: value["fleet"], extras: { documents, ...(typeof model === "string" && { model }) } };
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
