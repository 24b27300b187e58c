import { lstatSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { messageOf, UserError } from "../../base/errors.ts";
import { type Environment, ownEnvironment } from "../../base/machine/environment.ts";
import { isLeftover } from "../../base/machine/private-files.ts";
import type { Objection } from "../../base/problem.ts";
import { asUserError } from "../../base/system-errors.ts";
import { safeText } from "../../base/wording.ts";
import type { Layout } from "../layout.ts";
import { isGitAtWork, ownFolderProblem } from "../own-folder.ts";
import { readEnvFile } from "../settings/env-file.ts";
import { readStackJson } from "../settings/stack-json/stack-json.ts";
import { findPlace, preparePlace } from "./place.ts";
import { addVersion, type CopiedFile, clearAway, listVersions, read, sha256 } from "./versions.ts";

let warn: (text: string) => void = () => undefined;
const warned = new Set<string>();

/** Reports failed copies to `tell`. A failure only warns and never stops the command. */
export function warnOfCopies(tell: (text: string) => void): void {
  warn = tell;
  warned.clear();
}

/**
 * Copies irreplaceable files of `.clawdlets` to a folder outside the work tree: git overwrites ignored files when it checks out a
 * branch that tracks them, and deletes them on the next checkout. Never copies a folder that someone else may have written to.
 * Does not throw.
 * @param before the files that existed before our own command: of these, missing ones were deleted on purpose. Other missing files
 *   stay in the copy
 * @returns paths below `.clawdlets` that exist now
 */
export function keepCopy(layout: Layout, before: ReadonlySet<string> = new Set()): ReadonlySet<string> {
  try {
    return keep(layout, before);
  } catch (error) {
    const reason = (asUserError(error)?.message ?? messageOf(error)).replace(/\.? *$/, "");
    const text = `warning: no copy of ${relative(layout.root, layout.dir)} was kept: ${reason}. To turn copies off, set CLAWDLETS_KEY_COPY=off`;
    if (!warned.has(text)) warn(text);
    warned.add(text);
    return new Set();
  }
}

function keep(layout: Layout, before: ReadonlySet<string>): ReadonlySet<string> {
  if (!lstatSync(layout.dir, { throwIfNoEntry: false }) || !isCopied(layout)) return new Set();
  const now = readFiles(layout);
  // TOCTOU: git may have started a checkout in the meantime.
  if (mayBeOthers(layout)) return new Set();
  const place = findPlace(layout, ownEnvironment());
  const last = place && listVersions(place)[0];
  const lost = Object.entries(last?.files ?? {}).filter(([path]) => !now.present.has(path) && !before.has(path));
  const files = Object.fromEntries([...Object.entries(now.files), ...lost].sort(([a], [b]) => (a < b ? -1 : 1)));
  const missing = lost.map(([path]) => path).sort();
  const isSame = last && JSON.stringify([last.files, last.missing]) === JSON.stringify([files, missing]);
  const isNothing = !last && Object.keys(files).length === 0;
  if (isNothing) return now.present;
  const prepared = preparePlace(layout, ownEnvironment());
  if (isSame && prepared.id === place?.id) return now.present;
  addVersion(prepared, { files, missing }, now.contents);
  clearAway(prepared);
  return now.present;
}

const mayBeOthers = (layout: Layout) => ownFolderProblem(layout)?.isForeign === true || isGitAtWork(layout);

function isCopied(layout: Layout): boolean {
  if (mayBeOthers(layout)) return false;
  return readEnvFile(layout, ownEnvironment(), readStackJson(layout).value?.envFile).value.CLAWDLETS_KEY_COPY !== "off";
}

/** Files that are in the newest copy but missing here, and that none of our commands deleted. Does not throw. */
export function lostFiles(layout: Layout, environment: Environment = ownEnvironment()): string[] {
  try {
    const place = findPlace(layout, environment);
    const last = place && listVersions(place)[0];
    const isHere = (path: string) => lstatSync(join(layout.dir, path), { throwIfNoEntry: false }) !== undefined;
    return Object.keys(last?.files ?? {}).filter((path) => !isHere(path));
  } catch {
    return []; // Only adds to another error message, which must not be lost.
  }
}

/** An objection to `.clawdlets`. @param lost see {@link lostFiles} */
export function lostObjection(lost: readonly string[]): Objection {
  const more = lost.length > 3 ? ` and ${lost.length - 3} more` : "";
  const named = lost.slice(0, 3).map((path) => safeText(path, 100));
  return {
    code: "files-lost",
    problem: `${named.join(", ")}${more} ${lost.length === 1 ? "was" : "were"} here before.`,
    fix: "Restore what is missing: clawdlets secrets restore",
  };
}

/** Larger files cannot be keys. */
const largest = 1024 * 1024;
const most = { files: 10_000, bytes: 64 * 1024 * 1024 };

interface Files {
  files: Record<string, CopiedFile>;
  contents: Map<string, Buffer>;
  /** All files, including those that are not copied. */
  present: Set<string>;
}

/** Everything except large files, what can be recreated (the engine's state, logs, locks) and what a run deletes after use. */
function readFiles(layout: Layout): Files {
  const found: Files = { files: {}, contents: new Map(), present: new Set() };
  let bytes = 0;
  for (const path of walk(layout.dir, "")) {
    found.present.add(path);
    const stat = lstatSync(join(layout.dir, path), { throwIfNoEntry: false });
    const content = stat && stat.size <= largest ? read(join(layout.dir, path)) : undefined;
    if (stat === undefined || content === undefined) continue;
    bytes += content.length;
    if (found.present.size > most.files || bytes > most.bytes) {
      throw new UserError({
        subject: "",
        problem: `more than ${most.files} files or ${most.bytes / 1024 / 1024} MiB are in it.`,
        fix: "Move away the files that do not belong there",
      });
    }
    const name = sha256(content);
    found.files[path] = { sha256: name, mode: stat.mode & 0o755 };
    found.contents.set(name, content);
  }
  return found;
}

function* walk(folder: string, below: string): Generator<string> {
  for (const entry of readdirSync(join(folder, below), { withFileTypes: true })) {
    const path = below === "" ? entry.name : `${below}/${entry.name}`;
    if (isLeftOut(path)) continue;
    if (entry.isDirectory()) yield* walk(folder, path);
    else if (entry.isFile()) yield path;
  }
}

export const isLeftOut = (path: string): boolean =>
  /^(state|fleet|dist|hosts\/[^/]+\/(logs|staging|image|kexec|state\.json|state-broken\.json))(\/|$)/.test(path) ||
  /^(hosts\/[^/]+|gone\/[^/]+\/host)\/tailnet-left\.json$/.test(path) ||
  /\.(lock|holder)$/.test(path) ||
  isLeftover(path.slice(path.lastIndexOf("/") + 1));
