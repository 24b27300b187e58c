import { existsSync, readFileSync, readlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { parse } from "yaml";
import { hasCode } from "../core/base/errors.ts";
import type { Environment } from "../core/base/machine/environment.ts";
import { recordOf } from "./rule.ts";

interface Named {
  project: string;
  stack: string;
}

/**
 * The settings that stand in the clear in the stack file and in Pulumi.yaml, by key with namespace, each as text. Read from the
 * files, because the engine hands a policy pack every setting decrypted, and the official language host does not say which of
 * them are encrypted.
 * @param folders where the project may be; the first one that holds a project of this name, or lies below one, is it
 * @returns undefined where the project or its stack file is not found
 */
export function clearSettings(
  { project, stack }: Named,
  folders: readonly string[],
): Record<string, string> | undefined {
  for (const root of new Set(folders.flatMap(withFoldersAbove))) {
    const projectFile = yamlIn(join(root, "Pulumi.yaml"));
    if (projectFile?.["name"] !== project) continue;
    const { stackConfigDir } = projectFile;
    const folder = typeof stackConfigDir === "string" ? join(root, stackConfigDir) : root;
    const stackFile = yamlIn(join(folder, `Pulumi.${stack}.yaml`));
    if (stackFile === undefined) return undefined;
    const defaults = recordOf(projectFile["config"]);
    const settings = { ...defaults, ...recordOf(stackFile["config"]) };
    const texts = Object.entries(settings).map(([key, value]) => {
      const isEncrypted = isSecure(value);
      const text = typeof value === "string" ? value : JSON.stringify(withoutEncrypted(value) ?? null);
      return [withNamespace(key, project), isEncrypted ? "" : text];
    });
    return Object.fromEntries(texts.filter(([, text]) => text !== ""));
  }
  return undefined;
}

/**
 * Folders in which the engine may have been started: those of the processes above this one, which only Linux tells, and the
 * shell's. Pulumi starts a pack in the pack's own folder.
 */
export function foldersOfEngine(environment: Environment): string[] {
  const folders: string[] = [];
  for (let pid = process.ppid; pid > 1 && folders.length < 16; ) {
    try {
      folders.push(readlinkSync(`/proc/${pid}/cwd`));
      // The name, in brackets, may hold anything: the parent is the second field after its end.
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      pid = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
    } catch (error) {
      if (!hasCode(error, "ENOENT", "EACCES", "EPERM", "ESRCH")) throw error;
      break;
    }
  }
  const shell = environment["PWD"];
  return shell === undefined ? folders : [...folders, shell];
}

function withFoldersAbove(folder: string): string[] {
  const above = dirname(folder);
  return above === folder ? [folder] : [folder, ...withFoldersAbove(above)];
}

function yamlIn(file: string): Readonly<Record<string, unknown>> | undefined {
  return existsSync(file) ? recordOf(parse(readFileSync(file, "utf8"))) : undefined;
}

/** As Pulumi reads a key: without a namespace it is the project's, and `a:config:b` is the old spelling of `a:b`. */
const withNamespace = (key: string, project: string): string =>
  key.includes(":") ? key.replace(":config:", ":") : `${project}:${key}`;

const isSecure = (value: unknown): boolean => {
  const keys = Object.keys(recordOf(value));
  return keys.length === 1 && keys[0] === "secure";
};

/** A setting may be a list or a map of which some values are encrypted. */
function withoutEncrypted(value: unknown): unknown {
  if (isSecure(value)) return null;
  if (Array.isArray(value)) return value.map(withoutEncrypted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, withoutEncrypted(each)]));
}
