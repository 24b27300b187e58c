import { lstatSync, readFileSync, realpathSync, statSync } from "node:fs";
import { basename, relative } from "node:path";
import { hasCode, messageOf } from "../errors.ts";
import type { Objection, Problem } from "../problem.ts";
import { leadsOut } from "./inside.ts";

/** Far larger than any real settings file; a larger one is there by mistake. */
export const maxSettingsLength = 256 * 1024;

/**
 * Reads a settings file.
 * @param within a symbolic link has to stay inside this folder. Omitted: it may lead anywhere
 * @returns neither text nor problem if the file does not exist
 */
export function readText(path: string, where: string, within?: string): { text?: string; problems: Problem[] } {
  const problem = (objection: Objection) => ({ problems: [{ subject: where, ...objection }] });
  const itself = { code: "file-unreadable", fix: "Put the file itself there." } as const;
  try {
    const isLink = lstatSync(path).isSymbolicLink();
    if (isLink && within !== undefined) {
      const target = realpathSync(path);
      if (leadsOut(relative(realpathSync(within), target))) {
        return problem({
          ...itself,
          code: "link-leads-out",
          problem: `is a link to ${target}, outside ${basename(within)}.`,
        });
      }
    }
    const stat = statSync(path);
    if (!stat.isFile()) return problem({ ...itself, problem: "is not a plain file." });
    if (stat.size > maxSettingsLength) return problem(tooLarge(stat.size));
    return { text: readFileSync(path, "utf8"), problems: [] };
  } catch (error) {
    if (!hasCode(error, "ENOENT"))
      return problem({ code: "file-unreadable", problem: `cannot be read: ${messageOf(error)}` });
    return isDangling(path) ? problem({ ...itself, problem: "is a broken symbolic link." }) : { problems: [] };
  }
}

export const tooLarge = (size: number): Objection => ({
  code: "file-unreadable",
  problem: `has ${size} bytes; allowed: ${maxSettingsLength}.`,
  fix: "Is it the right file?",
});

function isDangling(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
}
