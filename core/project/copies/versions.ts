import { createHash } from "node:crypto";
import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync, rmSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { hasCode } from "../../base/errors.ts";
import { readFolder, writePrivateFileSync, writeStep } from "../../base/machine/private-files.ts";
import { leadsOut } from "../../base/text/inside.ts";
import { parseJson } from "../../base/text/json.ts";

export interface CopyFolders {
  /** Contents by their SHA-256. */
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
  /** Those of them that were gone from the project by then, and that no command of ours had removed. */
  missing: z.array(z.string()),
});

export type CopiedFile = z.infer<typeof file>;

/** What there was at one time. */
export interface Version extends Omit<z.infer<typeof version>, "schemaVersion"> {
  number: number;
}

/** Versions that are kept in any case; older ones stay as long as they have one of the last contents of a file. */
const keptVersions = 10;
const keptContents = 3;

const nameOf = (number: number) => `${String(number).padStart(6, "0")}.json`;

export const sha256 = (content: Buffer): string => createHash("sha256").update(content).digest("hex");

/** Every version that can be read, the newest first. */
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

/** Contents first, so that a version never names one that is not there, wherever it is killed. */
export function addVersion(
  place: CopyFolders,
  { files, missing }: Pick<Version, "files" | "missing">,
  contents: ReadonlyMap<string, Buffer>,
): void {
  for (const [name, content] of contents) {
    const path = join(place.contents, name);
    if (readContent(place, name) === undefined) writePrivateFileSync(path, content);
    // It is young again, so that another process that clears away keeps it.
    else utimesSync(path, new Date(), new Date());
  }
  const text = JSON.stringify({ schemaVersion: 1, at: new Date().toISOString(), files, missing });
  writePrivateFileSync(reserved(place), `${text}\n`);
}

/** The next number, which no other process gets. */
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

/** @returns undefined where it is not there, or is damaged */
export function readContent(place: CopyFolders, name: string): Buffer | undefined {
  const content = read(join(place.contents, name));
  return content !== undefined && sha256(content) === name ? content : undefined;
}

/** Another process may be about to name what it has written. */
const young = 24 * 60 * 60 * 1000;

/** Removes versions that nobody will want: each of the last contents of every file is kept. */
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

/** A file that nobody else has made, and no link. */
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
