import { chmodSync, lstatSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { SettingsError, UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { ownEnvironment } from "../../base/machine/environment.ts";
import { makePrivateFolder, writePrivateFile } from "../../base/machine/private-files.ts";
import type { Problem } from "../../base/problem.ts";
import { isLeftOut, keepCopy } from "../../project/copies/keep.ts";
import { copiesFolder, findPlace } from "../../project/copies/place.ts";
import { listVersions, read, readContent, type Version } from "../../project/copies/versions.ts";
import type { Layout } from "../../project/layout.ts";
import { refuseForeignFolder } from "../../project/own-folder.ts";
import { asOnlyWriter } from "../../project/project-lock.ts";

export interface RestoreRequest {
  layout: Layout;
  /** Number of a version. @default the newest */
  from?: number;
  /** Files or folders below `.clawdlets`, with or without that prefix. @default everything */
  paths?: readonly string[];
}

export interface RestorePlan {
  /** The folder of the copy. */
  copy: string;
  version: number;
  /** Creation time of that version, ISO 8601. */
  at: string;
  /** All versions, newest first. */
  versions: { number: number; at: string; files: number }[];
  /** Files that are missing here and will be restored. Paths in all these lists are relative to the project. */
  missing: string[];
  /** Files that exist here with different contents. */
  different: string[];
  /** Number of files that are the same as in the copy. */
  same: number;
  /** Files whose contents are missing from the copy or damaged. */
  damaged: string[];
}

interface Wanted extends RestorePlan {
  contents: Map<string, { content: Buffer; mode: number }>;
}

/**
 * Plans {@link restoreFiles}. Changes nothing.
 * @throws UserError if there is no copy or no such version, or someone else may have written to `.clawdlets`
 */
export function planRestore(request: RestoreRequest): RestorePlan {
  const { contents: _, ...plan } = wanted(request);
  return plan;
}

/**
 * Restores files of the copy of `.clawdlets` that are missing in the project, with the same bytes and modes. Overwrites files
 * that differ only if requested, and only after their current contents were copied too.
 * @throws SettingsError with each file that is in the way, before anything is written
 */
export async function restoreFiles(request: RestoreRequest, overwrite: boolean): Promise<RestorePlan> {
  const { contents, ...plan } = wanted(request);
  const { layout } = request;
  if (plan.different.length > 0 && !overwrite) {
    throw new SettingsError(
      plan.different.map((where) => ({
        code: "secret-exists",
        subject: where,
        setting: "content",
        problem: `differs from the copy of ${plan.at}.`,
        fix: "Pass --yes to overwrite it, or name the files to restore.",
      })),
    );
  }
  const problems = [...contents.keys()].flatMap((path) => inTheWay(layout, path));
  if (problems.length > 0) throw new SettingsError(problems);
  makePrivateFolder(layout.dir);
  await asOnlyWriter(layout, async () => {
    if (plan.different.length > 0) refuseWithoutCopy(request, plan);
    for (const path of [...plan.missing, ...plan.different]) {
      const { content, mode } = contents.get(relative(relative(layout.root, layout.dir), path)) ?? {};
      if (content === undefined || mode === undefined) continue;
      await writePrivateFile(join(layout.root, path), content);
      if (mode !== 0o600) chmodSync(join(layout.root, path), mode);
    }
  });
  return plan;
}

/** Accepts that missing files were deleted on purpose: they are no longer restored, except from an earlier version. */
export async function forgetLost(layout: Layout): Promise<string[]> {
  const { version, lost } = newestOf(layout);
  await asOnlyWriter(layout, async () => void keepCopy(layout, new Set(Object.keys(version.files))));
  return lost;
}

function newestOf(layout: Layout): { version: Version; lost: string[] } {
  refuseForeignFolder(layout);
  const version = versionsOf(layout).versions[0];
  if (!version) throw noCopy(layout);
  const lost = Object.keys(version.files).filter((path) => !isThere(join(layout.dir, path)));
  return { version, lost: lost.map((path) => join(relative(layout.root, layout.dir), path)) };
}

function wanted({ layout, from, paths = [] }: RestoreRequest): Wanted {
  refuseForeignFolder(layout);
  const { place, versions } = versionsOf(layout);
  const version = from === undefined ? versions[0] : versions.find(({ number }) => number === from);
  if (!place || versions.length === 0) throw noCopy(layout);
  if (!version) {
    throw new UserError(
      `--from: there is no version ${from}; allowed: ${versions.map(({ number }) => number).join(", ")}.`,
      { exitCode: exitCodes.usage },
    );
  }
  const where = relative(layout.root, layout.dir);
  const chosen = Object.entries(version.files).filter(([path]) => !isLeftOut(path) && isAsked(path, where, paths));
  const unknown = paths.filter((asked) => !chosen.some(([path]) => isAsked(path, where, [asked])));
  if (unknown.length > 0) {
    throw new UserError(
      {
        subject: unknown.join(", "),
        problem: `not in version ${version.number} of the copy.`,
        fix: "List its files: clawdlets secrets restore --dry-run",
      },
      { exitCode: exitCodes.usage },
    );
  }
  const found: Wanted = {
    copy: place.folder,
    version: version.number,
    at: version.at,
    versions: versions.map(({ number, at, files }) => ({ number, at, files: Object.keys(files).length })),
    missing: [],
    different: [],
    same: 0,
    damaged: [],
    contents: new Map(),
  };
  for (const [path, { sha256, mode }] of chosen) {
    const displayPath = join(where, path);
    const content = readContent(place, sha256);
    if (content === undefined) {
      found.damaged.push(displayPath);
      continue;
    }
    const here = join(layout.dir, path);
    if (!isThere(here)) found.missing.push(displayPath);
    else if (read(here)?.equals(content)) {
      found.same += 1;
      continue;
    } else found.different.push(displayPath);
    found.contents.set(path, { content, mode: mode & 0o755 });
  }
  return found;
}

function versionsOf(layout: Layout) {
  const place = findPlace(layout, ownEnvironment());
  return { place, versions: place ? listVersions(place) : [] };
}

const isAsked = (path: string, where: string, paths: readonly string[]): boolean =>
  paths.length === 0 ||
  paths.some((asked) => {
    const below = asked.replace(/\/+$/, "").replace(/^\.\//, "");
    const name = below.startsWith(`${where}/`) ? below.slice(where.length + 1) : below;
    return below === where || path === name || path.startsWith(`${name}/`);
  });

function noCopy(layout: Layout): UserError {
  const where = relative(layout.root, layout.dir);
  return new UserError(
    {
      subject: "",
      problem: `There is no copy of ${where} of ${layout.root} in ${copiesFolder(ownEnvironment())}.`,
      fix: `Restore your own backup: docs/recovery.md, "What to keep".`,
    },
    { exitCode: exitCodes.settings },
  );
}

/** Refuses links and other non-folders on the path: the contents would end up at a link's target, or nowhere. */
function inTheWay(layout: Layout, path: string): Problem[] {
  const folders = dirname(path) === "." ? [] : dirname(path).split(sep);
  const above = folders.map((_, index) => join(layout.dir, ...folders.slice(0, index + 1)));
  const wrong = above.find((folder) => isThere(folder) && !lstatSync(folder).isDirectory());
  const file = join(layout.dir, path);
  const isWrong = wrong ?? (isThere(file) && !lstatSync(file).isFile() ? file : undefined);
  if (isWrong === undefined) return [];
  const where = relative(layout.root, isWrong);
  return [
    {
      code: "file-in-the-way",
      subject: where,
      setting: "path",
      problem: `is in the way of ${path}.`,
      fix: `Move it away: mv '${isWrong}' /some/place`,
    },
  ];
}

/** @throws UserError unless the newest version has what is about to be overwritten */
function refuseWithoutCopy({ layout }: RestoreRequest, { different }: RestorePlan): void {
  const { place, versions } = versionsOf(layout);
  const last = versions[0];
  const isKept = (displayPath: string) => {
    const path = relative(layout.dir, join(layout.root, displayPath));
    const name = last?.files[path]?.sha256;
    const content = place && name !== undefined ? readContent(place, name) : undefined;
    return content !== undefined && read(join(layout.root, displayPath))?.equals(content) === true;
  };
  const unkept = different.filter((path) => !isKept(path));
  if (unkept.length === 0) return;
  throw new UserError(
    {
      subject: unkept.join(", "),
      problem: "the current contents could not be copied first, so nothing was overwritten.",
      fix: "Move the files away yourself, then run the same command again.",
    },
    { exitCode: exitCodes.failed },
  );
}

const isThere = (path: string) => lstatSync(path, { throwIfNoEntry: false }) !== undefined;
