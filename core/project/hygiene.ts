import { existsSync, lstatSync, readdirSync, realpathSync, type Stats } from "node:fs";
import { join, relative, sep } from "node:path";
import { hasCode } from "../base/errors.ts";
import { runGit } from "../base/machine/git.ts";
import { type Problem, problemJson } from "../base/problem.ts";
import type { Layout } from "./layout.ts";
import { ownFolderProblem } from "./own-folder.ts";

/**
 * Checks that `.clawdlets` is safe for secrets: ignored and not tracked by git, not readable by others, and without links that
 * lead out of it. Only reads names and modes.
 * @returns every problem, each with the command that fixes it
 */
export async function checkLocalFolder(layout: Layout): Promise<Problem[]> {
  if (!entryOf(layout.dir)) return [];
  const own = ownFolderProblem(layout);
  const folder = own ? [problemJson(own)] : [];
  if (own?.code === "file-in-the-way") return folder;
  return [...folder, ...checkFiles(layout), ...(await checkGit(layout))];
}

function checkFiles(layout: Layout): Problem[] {
  const where = relative(layout.root, layout.dir);
  const problems: Problem[] = [];
  const wide: string[] = [];
  const inside = `${realpathSync(layout.dir)}${sep}`;
  for (const path of walk(layout.dir, [layout.state, join(layout.dir, "extra-files")])) {
    const stat = entryOf(path);
    const displayPath = relative(layout.root, path);
    if (stat?.isSymbolicLink() && !targetOf(path)?.startsWith(inside)) {
      problems.push({
        code: "link-leads-out",
        subject: displayPath,
        setting: "link",
        problem: `is a link that leads out of ${where}.`,
        fix: `Put the file itself there, or: rm '${path}'`,
      });
    } else if (stat?.isFile() && isPrivate(path) && (stat.mode & 0o077) !== 0) wide.push(displayPath);
  }
  if (wide.length > 0) {
    const more = wide.length > 3 ? ` and ${wide.length - 3} more` : "";
    problems.push({
      code: "file-exposed",
      subject: where,
      setting: "mode",
      problem: `others on this machine can read ${wide.slice(0, 3).join(", ")}${more}.`,
      fix: `Restrict it: find '${layout.dir}' -path '*/extra-files' -prune -o ! -type l -exec chmod go= {} +`,
    });
  }
  return problems;
}

/** False for public keys, rules and schemas, which may have any mode. extra-files and staging keep the modes for the host. */
function isPrivate(path: string): boolean {
  return !/(\.pub|known_hosts|stack\.json|\.sops\.yaml|\.schema\.json|\.yaml\.bak)$/.test(path);
}

function* walk(folder: string, leftOut: readonly string[]): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    yield path;
    const isOpen = !leftOut.includes(path) && entry.name !== "staging";
    if (entry.isDirectory() && isOpen) yield* walk(path, leftOut);
  }
}

async function checkGit(layout: Layout): Promise<Problem[]> {
  const where = relative(layout.root, layout.dir);
  if (!isInRepository(layout.root)) return [];
  const problems: Problem[] = [];
  // Tests a path inside the folder: "x/" in .gitignore only matches folders, and an exception may include single files again.
  const ignored = await git(layout, ["check-ignore", "--quiet", "--no-index", `${where}/secrets/probe`]);
  // Other exit codes: git could not look, which ownFolderProblem reports.
  if (ignored.exitCode === 1) {
    problems.push({
      code: "file-exposed",
      subject: where,
      setting: "git",
      problem: 'git does not ignore it, so "git add" would add your keys.',
      fix: `Add it to .gitignore: echo '${where}/' >> .gitignore`,
    });
  }
  return problems;
}

const git = (layout: Layout, args: string[]) => runGit(layout.root, args, { timeoutSeconds: 30 });

function isInRepository(folder: string): boolean {
  const parts = folder.split(sep);
  return parts.some((_, index) => existsSync(join(parts.slice(0, index + 1).join(sep) || sep, ".git")));
}

function entryOf(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

function targetOf(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch (error) {
    if (hasCode(error, "ENOENT", "ELOOP")) return undefined;
    throw error;
  }
}
