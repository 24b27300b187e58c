import { createHash } from "node:crypto";
import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync, rmSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { hasCode } from "../../base/errors.ts";
import { readFolder, writePrivateFileSync, writeStep } from "../../base/machine/private-files.ts";
import { leadsOut } from "../../base/text/inside.ts";
import { parseJson } from "../../base/text/json.ts";

export interface CopyFolders {
  /** File contents, named by their SHA-256. */
  contents: string;
  versions: string;
}

const file = z.object({ sha256: z.string().regex(/^[0-9a-f]{64}$/), mode: z.int() });

const version = z.object({
  schemaVersion: z.literal(1),
  at: z.iso.datetime(),
  /** By path below `.clawdlets`. */
  files: z.record(
    z.string().refine((path) => path !== "" && !leadsOut(path)),
    file,
  ),
  /** Those that were missing from the project at that time, although none of our commands deleted them. */
  missing: z.array(z.string()),
});

export type CopiedFile = z.infer<typeof file>;

/** A snapshot of `.clawdlets` at one time. */
export interface Version extends Omit<z.infer<typeof version>, "schemaVersion"> {
  number: number;
}

/** The newest versions are always kept; older ones only while they have one of the last contents of a file. */
const keptVersions = 10;
const keptContents = 3;

const nameOf = (number: number) => `${String(number).padStart(6, "0")}.json`;

export const sha256 = (content: Buffer): string => createHash("sha256").update(content).digest("hex");

/** Every readable version, newest first. */
export function listVersions(place: CopyFolders): Version[] {
  const found = numbers(place).flatMap((number) => {
    const parsed = version.safeParse(parseJson(read(join(place.versions, nameOf(number)))?.toString("utf8")));
    return parsed.success
      ? [{ number, at: parsed.data.at, files: parsed.data.files, missing: parsed.data.missing }]
      : [];
  });
  return found.sort((one, other) => other.number - one.number);
}

const numbers = ({ versions }: CopyFolders) =>
  readFolder(versions).flatMap((name) => (/^\d{6,}\.json$/.test(name) ? [Number.parseInt(name, 10)] : []));

/** Writes contents first: even if killed, a version never names contents that do not exist. */
export function addVersion(
  place: CopyFolders,
  { files, missing }: Pick<Version, "files" | "missing">,
  contents: ReadonlyMap<string, Buffer>,
): void {
  for (const [name, content] of contents) {
    const path = join(place.contents, name);
    if (readContent(place, name) === undefined) writePrivateFileSync(path, content);
    // Refresh its age, so that a concurrent cleanup keeps it.
    else utimesSync(path, new Date(), new Date());
  }
  const text = JSON.stringify({ schemaVersion: 1, at: new Date().toISOString(), files, missing });
  writePrivateFileSync(reserved(place), `${text}\n`);
}

/** Reserves the next number atomically (O_EXCL), so that no other process gets it. */
function reserved(place: CopyFolders): string {
  for (let number = Math.max(0, ...numbers(place)) + 1; ; number++) {
    const path = join(place.versions, nameOf(number));
    try {
      closeSync(openSync(path, "wx", 0o600));
      return path;
    } catch (error) {
      if (!hasCode(error, "EEXIST")) throw error;
    }
  }
}

/** @returns undefined if it does not exist or is damaged */
export function readContent(place: CopyFolders, name: string): Buffer | undefined {
  const content = read(join(place.contents, name));
  return content !== undefined && sha256(content) === name ? content : undefined;
}

/** Young contents are not deleted: another process may be about to write the version that names them. */
const young = 24 * 60 * 60 * 1000;

/** Deletes old versions, but keeps those with one of the last contents of any file. */
export function clearAway(place: CopyFolders): void {
  const all = listVersions(place);
  const kept = new Set(all.slice(0, keptVersions));
  const seen = new Map<string, Set<string>>();
  for (const each of all) {
    for (const [path, { sha256: name }] of Object.entries(each.files)) {
      const contents = seen.get(path) ?? new Set();
      seen.set(path, contents);
      if (contents.has(name) || contents.size >= keptContents) continue;
      contents.add(name);
      kept.add(each);
    }
  }
  for (const each of all) if (!kept.has(each)) remove(join(place.versions, nameOf(each.number)));
  const named = new Set([...kept].flatMap(({ files }) => Object.values(files).map(({ sha256: name }) => name)));
  for (const name of readFolder(place.contents)) {
    const path = join(place.contents, name);
    const age = Date.now() - (lstatSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (!named.has(name) && age > young) remove(path);
  }
}

function remove(path: string): void {
  writeStep(`remove ${path}`);
  rmSync(path, { force: true });
}

/** Reads a plain file that belongs to this user; never follows a link. */
export function read(path: string): Buffer | undefined {
  let open: number;
  try {
    open = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR", "ELOOP")) return undefined;
    throw error;
  }
  try {
    const stat = fstatSync(open);
    return stat.isFile() && stat.uid === (process.getuid?.() ?? stat.uid) ? readFileSync(open) : undefined;
  } finally {
    closeSync(open);
  }
}
