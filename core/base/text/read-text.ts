import { lstatSync, readFileSync, realpathSync, statSync } from "node:fs";
import { basename, relative } from "node:path";
import { hasCode, messageOf, type Problem } from "../errors.ts";
import { leadsOut } from "./inside.ts";

/** Many times the largest settings file there is; what is larger was put there by mistake. */
export const maxSettingsLength = 256 * 1024;

/**
 * Reads a settings file.
 * @param within where a link may lead: this folder or below. Left out: anywhere
 * @returns neither text nor problem when there is no such file
 */
export function readText(path: string, where: string, within?: string): { text?: string; problems: Problem[] } {
  const problem = (message: string) => ({ problems: [{ where, setting: "(the whole file)", message }] });
  try {
    const isLink = lstatSync(path).isSymbolicLink();
    if (isLink && within !== undefined) {
      const target = realpathSync(path);
      if (leadsOut(relative(realpathSync(within), target))) {
        return problem(`is a link to ${target}, outside ${basename(within)}. Put the file itself there.`);
      }
    }
    const stat = statSync(path);
    if (!stat.isFile()) return problem("is not a plain file. Put the file itself there.");
    if (stat.size > maxSettingsLength) return problem(tooLarge(stat.size));
    return { text: readFileSync(path, "utf8"), problems: [] };
  } catch (error) {
    if (!hasCode(error, "ENOENT")) return problem(`cannot be read: ${messageOf(error)}`);
    return isDangling(path) ? problem("is a link that leads to nothing. Put the file itself there.") : { problems: [] };
  }
}

export const tooLarge = (size: number) => `has ${size} bytes; allowed: ${maxSettingsLength}. Is it the right file?`;

function isDangling(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
}
