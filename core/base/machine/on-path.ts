import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { hasCode } from "../errors.ts";

/** @param command a name, looked for in the folders of PATH, or a path @returns the executable's path, undefined for none */
export function findOnPath(command: string): string | undefined {
  if (command.includes("/")) return isExecutable(command) ? command : undefined;
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders.map((folder) => join(folder, command)).find(isExecutable);
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR", "EACCES")) return false;
    throw error;
  }
}
