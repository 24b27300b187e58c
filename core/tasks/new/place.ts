import { lstatSync, realpathSync, type Stats } from "node:fs";
import { basename, dirname, join, resolve, sep } from "node:path";
import { hasCode, SettingsError } from "../../base/errors.ts";
import { gitAnswer, isForeignRepository } from "../../base/machine/git-answer.ts";
import { readFolder } from "../../base/machine/private-files.ts";
import type { Objection, Problem } from "../../base/problem.ts";
import { shellQuoted } from "../../base/wording.ts";
import { hostNameAllowed, hostNamePattern } from "../../project/settings/names.ts";

/** Where a new repository goes. */
export interface Place {
  /** Absolute, without symbolic links. */
  folder: string;
  /** An empty folder is there already. */
  exists: boolean;
}

/**
 * Finds out whether a new repository can be made in a folder. Changes nothing.
 * @param given as typed, relative to `from`
 */
export function checkPlace(given: string, from: string): { value?: Place; problems: Problem[] } {
  const asked = resolve(from, given);
  const refuse = (objection: Objection) => ({ problems: [{ subject: asked, ...objection }] });
  const parent = realPath(dirname(asked));
  if (parent === undefined || !statOf(parent)?.isDirectory()) {
    const file = fileAbove(asked);
    if (file !== undefined) {
      const problem = `is below ${file}, which is not a folder.`;
      return refuse({ code: "file-in-the-way", problem, fix: "Choose another folder." });
    }
    const fix = `Create it: mkdir -p ${shellQuoted(dirname(asked))}`;
    return refuse({ code: "file-missing", problem: `there is no folder ${dirname(asked)}.`, fix });
  }
  const there = statOf(asked);
  const folder = there ? realPath(asked) : join(parent, basename(asked));
  const fix = "Choose another folder.";
  if (folder === undefined || (there && !statOf(folder)?.isDirectory())) {
    return refuse({ code: "file-in-the-way", problem: "exists, and is not a folder.", fix });
  }
  const entries = readFolder(folder);
  if (entries.length > 0) {
    const more = entries.length > 3 ? ` and ${entries.length - 3} more` : "";
    const problem = `is not empty: it has ${entries.slice(0, 3).join(", ")}${more}.`;
    return refuse({ code: "file-in-the-way", problem, fix });
  }
  const local = [".clawdlets", ".git", "node_modules"].find((name) => folder.split(sep).includes(name));
  if (local !== undefined) {
    return refuse({ code: "invalid-value", problem: `is inside ${local}, which git never has in a commit.`, fix });
  }
  const outer = repositoryAround(there ? folder : parent);
  if (outer !== undefined) {
    const problem = `is inside the git repository ${outer}, which would take it for a part of its own.`;
    return refuse({ code: "file-in-the-way", problem, fix: "Choose a folder outside of it." });
  }
  return { value: { folder, exists: there !== undefined }, problems: [] };
}

/** The nearest thing above a path that exists, if no folder can be made in it: a file, or a broken link. */
function fileAbove(path: string): string | undefined {
  const above = dirname(path);
  try {
    if (!statOf(above)) return fileAbove(above);
  } catch (error) {
    if (hasCode(error, "ENOTDIR")) return fileAbove(above);
    throw error;
  }
  const folder = realPath(above);
  return folder !== undefined && statOf(folder)?.isDirectory() ? undefined : above;
}

function repositoryAround(folder: string): string | undefined {
  const { exitCode, stdout, stderr } = gitAnswer(folder, ["rev-parse", "--show-toplevel"]);
  if (exitCode === 0) return stdout.trim();
  if (stderr === "git is not installed") {
    const fix = "On Debian: apt-get install git";
    throw new SettingsError([
      { code: "program-missing", subject: "this machine", setting: "git", problem: `${stderr}.`, fix },
    ]);
  }
  // Another user's, or a bare one.
  const isInside = isForeignRepository(stderr) || gitAnswer(folder, ["rev-parse", "--git-dir"]).exitCode === 0;
  return isInside ? `around ${folder}` : undefined;
}

/** The project's name in Pulumi.yaml and package.json. @param taken names of packages that it needs */
export function nameProblem(name: string, taken: readonly string[]): string | undefined {
  if (!hostNamePattern.test(name)) return `allowed: ${hostNameAllowed}`;
  return taken.includes(name) ? `allowed: any other name; this is a package that the project needs` : undefined;
}

function statOf(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR", "ELOOP")) return undefined;
    throw error;
  }
}
