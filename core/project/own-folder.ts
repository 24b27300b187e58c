import { existsSync, lstatSync, readFileSync, type Stats, statSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { hasCode, UserError } from "../base/errors.ts";
import { exitCodes } from "../base/exit-codes.ts";
import { foreignRepository, gitAnswer, isForeignRepository } from "../base/machine/git-answer.ts";
import { type Objection, type Problem, problemJson } from "../base/problem.ts";
import { safeText, shellQuoted } from "../base/wording.ts";
import type { Layout } from "./layout.ts";

/** A problem of `.clawdlets` as a whole. */
export interface FolderProblem extends Problem {
  /** True if someone else may have written its files; false if they could only have read them. */
  isForeign: boolean;
}

/**
 * Checks that `.clawdlets` belongs to the operator. A malicious repository can contain one, whose settings would send the token to
 * another endpoint and name programs that we run. Every reader of the folder has to call this first.
 * @returns undefined if the folder may be used or does not exist
 */
export function ownFolderProblem(layout: Layout): FolderProblem | undefined {
  const where = relative(layout.root, layout.dir);
  const stat = lstatSync(layout.dir, { throwIfNoEntry: false });
  if (!stat) return undefined;
  const foreign = (setting: string, objection: Objection) => ({
    subject: where,
    setting,
    ...objection,
    isForeign: true,
  });
  if (!stat.isDirectory()) {
    return foreign("the folder itself", {
      code: "file-in-the-way",
      problem: "is not a folder of this project, so it is ignored.",
      fix: `Replace it with the folder itself: '${layout.dir}'`,
    });
  }
  const uid = process.getuid?.() ?? stat.uid;
  if (stat.uid !== uid) {
    return foreign("owner", {
      code: "foreign-folder",
      problem: `belongs to user ${stat.uid}, not to you (${uid}), so it is ignored.`,
      fix: `Run clawdlets as its owner; or, if every file in it is yours: sudo chown -R ${uid} '${layout.dir}'`,
    });
  }
  if ((stat.mode & 0o022) !== 0) {
    const fix = closing(layout);
    return foreign("mode", {
      code: "foreign-folder",
      problem: "others on this machine can write to it, so it is ignored.",
      fix,
    });
  }
  const git = gitProblem(layout);
  if (git) return foreign("git", git);
  if ((stat.mode & 0o055) === 0) return undefined;
  return {
    code: "file-exposed",
    subject: where,
    setting: "mode",
    problem: "others on this machine can read it.",
    fix: closing(layout),
    isForeign: false,
  };
}

const closing = ({ dir }: Layout) =>
  `Restrict it: find '${dir}' -path '*/extra-files' -prune -o ! -type l -exec chmod go= {} +`;

/** True while git changes the work tree: `.clawdlets` may then have files of another branch that the index does not list yet. */
export function isGitAtWork(layout: Layout): boolean {
  const git = repositoryAbove(layout.root);
  return git !== undefined && existsSync(join(git, "index.lock"));
}

/** @throws UserError if {@link ownFolderProblem} says that someone else may have written to the folder */
export function refuseForeignFolder(layout: Layout): void {
  const problem = ownFolderProblem(layout);
  if (!problem?.isForeign) return;
  throw new UserError(problemJson(problem), { exitCode: exitCodes.settings });
}

const seen = new Map<string, { index: string; problem: Objection | undefined }>();

function gitProblem(layout: Layout): Objection | undefined {
  if (existsSync(join(layout.dir, ".git"))) {
    return {
      code: "foreign-folder",
      problem: "is a separate git repository, so its files may come from someone else, and it is ignored.",
      fix: `If it is yours: rm -r '${join(layout.dir, ".git")}'`,
    };
  }
  const index = indexOf(layout.root);
  if (index === undefined) return undefined;
  const before = seen.get(layout.dir);
  if (before?.index === index) return before.problem;
  const problem = trackedProblem(layout);
  seen.set(layout.dir, { index, problem });
  return problem;
}

/** Files of `.clawdlets` that are in git's index or in HEAD: both came with the repository. */
function trackedProblem(layout: Layout): Objection | undefined {
  const where = relative(layout.root, layout.dir);
  // On a file system that ignores case, .Clawdlets is the same folder.
  const path = `:(icase)${where}`;
  const withHead = gitAnswer(layout.root, ["ls-files", "-z", "--with-tree=HEAD", "--", path]);
  // There is no HEAD before the first commit.
  const answer = withHead.exitCode === 0 ? withHead : gitAnswer(layout.root, ["ls-files", "-z", "--", path]);
  if (isForeignRepository(answer.stderr)) {
    return {
      code: "foreign-folder",
      problem: `${foreignRepository}, so it cannot be checked whether git tracks ${where}.`,
      fix: `Run clawdlets as its owner; or, if you trust the repository: git config --global --add safe.directory ${shellQuoted(layout.root)}`,
    };
  }
  if (answer.exitCode !== 0) {
    const [said = ""] = answer.stderr.trim().split("\n");
    return { code: "foreign-folder", problem: `git could not check if it is tracked: ${safeText(said, 300)}` };
  }
  const files = [...new Set(answer.stdout.split("\0"))].filter((file) => file !== "");
  if (files.length === 0) return undefined;
  const named = files.slice(0, 3).map((file) => safeText(file, 200));
  const more = files.length > 3 ? ` and ${files.length - 3} more` : "";
  return {
    code: "foreign-folder",
    problem: `git tracks ${named.join(", ")}${more}: it came with the repository, so it is ignored.`,
    fix: `If it is someone else's branch, switch back (git switch -) and restore what the checkout overwrote: clawdlets secrets restore. If you committed it yourself, it is in every clone and in the history: git rm -r --cached '${where}' && git commit, then replace every secret that was ever committed (clawdlets secrets rotate, and new tokens).`,
  };
}

/** Cache key that changes whenever the index or HEAD does; undefined outside a repository. */
function indexOf(root: string): string | undefined {
  const found = repositoryAbove(root);
  if (found === undefined) return undefined;
  const names = ["index", "HEAD", join("logs", "HEAD")].map((name) => join(found, name));
  return names.map((file) => marksOf(statSync(file, { throwIfNoEntry: false }))).join(" ") + found;
}

const marksOf = (stat: Stats | undefined) => `${stat?.ino}:${stat?.size}:${stat?.mtimeMs}:${stat?.ctimeMs}`;

function repositoryAbove(folder: string): string | undefined {
  const parts = resolve(folder).split(sep);
  for (let count = parts.length; count > 0; count--) {
    const git = join(parts.slice(0, count).join(sep) || sep, ".git");
    const stat = statSync(git, { throwIfNoEntry: false });
    if (stat?.isDirectory()) return git;
    if (stat?.isFile()) return resolve(dirname(git), gitFolderIn(git)); // A worktree, or a submodule.
  }
  return undefined;
}

function gitFolderIn(file: string): string {
  try {
    return /^gitdir: (.+)$/m.exec(readFileSync(file, "utf8"))?.[1] ?? "";
  } catch (error) {
    if (hasCode(error, "EACCES")) return ""; // git itself reports that.
    throw error;
  }
}

/** True for a file that git tracks. @param path relative to the project */
export function isTracked(layout: Layout, path: string): boolean {
  return gitAnswer(layout.root, ["ls-files", "--error-unmatch", "--", `:(literal)${path}`]).exitCode === 0;
}
