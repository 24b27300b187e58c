import { randomBytes } from "node:crypto";
import { chmodSync, lstatSync, realpathSync, type Stats } from "node:fs";
import { isAbsolute, join } from "node:path";
import { z } from "zod";
import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import type { Environment } from "../../base/machine/environment.ts";
import { makeFolders, readFolder, writePrivateFileSync } from "../../base/machine/private-files.ts";
import { parseJson } from "../../base/text/json.ts";
import { type Layout, layoutOf } from "../layout.ts";
import { type CopyFolders, listVersions, read, sha256 } from "./versions.ts";

/** The copy of one project's files. */
export interface CopyPlace extends CopyFolders {
  id: string;
  folder: string;
}

const record = z.object({ schemaVersion: z.literal(1), root: z.string() });

/** Our folder in the user's state directory, by the XDG base directory specification. @throws UserError without a home folder */
export function copiesFolder(environment: Environment): string {
  const { XDG_STATE_HOME: state = "", HOME: home = "" } = environment;
  // The specification says to ignore relative paths.
  if (isAbsolute(state)) return join(state, "clawdlets");
  if (isAbsolute(home)) return join(home, ".local", "state", "clawdlets");
  throw new UserError("neither XDG_STATE_HOME nor HOME is set to an absolute path");
}

/**
 * Finds a project's copy by the project's path. A moved project is recognized by its passphrase, if its former folder no longer has
 * that passphrase; a duplicated folder counts as a new project.
 * @returns undefined if nothing was copied yet
 */
export function findPlace(layout: Layout, environment: Environment): CopyPlace | undefined {
  const base = copiesFolder(environment);
  if (!lstatSync(base, { throwIfNoEntry: false })) return undefined;
  refuseOthers(base);
  const root = realpathSync(layout.root);
  const all = readFolder(base)
    .filter((id) => /^[0-9a-f]{32}$/.test(id))
    .map((id) => ({ ...placeOf(base, id), root: rootOf(base, id) }))
    .sort((one, other) => newest(other) - newest(one));
  const here = all.filter((place) => place.root === root);
  const passphrase = passphraseOf(layout);
  const hasIt = (place: CopyPlace) => listVersions(place).some(({ files }) => files[name]?.sha256 === passphrase);
  const isLeft = (place: { root: string | undefined }) =>
    place.root !== undefined && place.root !== root && passphraseOf(layoutOf(place.root)) !== passphrase;
  const same = passphrase === undefined ? undefined : here.find(hasIt);
  if (same || passphrase === undefined) return same ?? here[0];
  return all.find((place) => isLeft(place) && hasIt(place)) ?? here[0];
}

/** The place of a project's copy; created if missing. */
export function preparePlace(layout: Layout, environment: Environment): CopyPlace {
  const base = copiesFolder(environment);
  makeOwnFolder(base);
  // The user's home may itself be a git repository.
  if (!lstatSync(join(base, ".gitignore"), { throwIfNoEntry: false })) {
    writePrivateFileSync(join(base, ".gitignore"), "*\n");
  }
  const root = realpathSync(layout.root);
  const place = findPlace(layout, environment) ?? placeOf(base, randomBytes(16).toString("hex"));
  for (const folder of [place.folder, place.contents, place.versions]) makeOwnFolder(folder);
  if (rootOf(base, place.id) !== root) {
    writePrivateFileSync(join(place.folder, "project.json"), `${JSON.stringify({ schemaVersion: 1, root })}\n`);
  }
  return place;
}

function placeOf(base: string, id: string): CopyPlace {
  const folder = join(base, id);
  return { id, folder, contents: join(folder, "contents"), versions: join(folder, "versions") };
}

/** The file of {@link Layout.passphrase}, relative to `.clawdlets`. */
const name = "passphrase";

function passphraseOf(layout: Layout): string | undefined {
  const content = read(layout.passphrase);
  return content === undefined ? undefined : sha256(content);
}

function rootOf(base: string, id: string): string | undefined {
  // Truncated, or written by a newer clawdlets: then it belongs to no project.
  return record.safeParse(parseJson(read(join(base, id, "project.json"))?.toString("utf8"))).data?.root;
}

const newest = ({ versions }: CopyPlace) => lstatSync(versions, { throwIfNoEntry: false })?.mtimeMs ?? 0;

function makeOwnFolder(path: string): void {
  makeFolders(path, 0o700);
  const stat = refuseOthers(path);
  if ((stat.mode & 0o077) !== 0) chmodSync(path, 0o700);
}

/** @throws UserError for a folder that other users may have written to */
function refuseOthers(path: string): Stats {
  const stat = lstatSync(path);
  const uid = process.getuid?.() ?? stat.uid;
  if (stat.isDirectory() && stat.uid === uid && (stat.mode & 0o022) === 0) return stat;
  const what = !stat.isDirectory()
    ? "is not a folder"
    : stat.uid === uid
      ? "is writable by others"
      : `belongs to user ${stat.uid}`;
  throw new UserError(
    { subject: "", problem: `${path} ${what}, so it is not used for copies.`, fix: "Move it away" },
    {
      exitCode: exitCodes.settings,
    },
  );
}
