import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import { hasCode } from "../errors.ts";
import { searchPath } from "./environment.ts";

/** @param command a name to find on PATH, or a path @returns the executable's path, or undefined if there is none */
export function findOnPath(command: string): string | undefined {
  if (command.includes("/")) return isExecutable(command) ? command : undefined;
  return searchPath()
    .map((folder) => join(folder, command))
    .find(isExecutable);
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
