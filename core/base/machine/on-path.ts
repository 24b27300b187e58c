import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { hasCode } from "../errors.ts";

/** @param command a name to find on PATH, or a path @returns the executable's path, or undefined if there is none */
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
