import { randomBytes } from "node:crypto";
import { chmodSync, lstatSync, realpathSync, type Stats } from "node:fs";
import { isAbsolute, join } from "node:path";
import { z } from "zod";
import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { makeFolders, readFolder, writePrivateFileSync } from "../../base/machine/private-files.ts";
import { parseJson } from "../../base/text/json.ts";
import { type Layout, layoutOf } from "../layout.ts";
import { type CopyFolders, listVersions, read, sha256 } from "./versions.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** The copy of one project's files. */
export interface CopyPlace extends CopyFolders {
  id: string;
  folder: string;
}

const record = z.object({ schemaVersion: z.literal(1), root: z.string() });

/** Where programs keep what is to outlive them, by the XDG base directory specification. @throws UserError without a home */
export function copiesFolder(environment: Environment): string {
  const { XDG_STATE_HOME: state = "", HOME: home = "" } = environment;
  // A relative one is to be ignored, says the specification.
  if (isAbsolute(state)) return join(state, "clawdlets");
  if (isAbsolute(home)) return join(home, ".local", "state", "clawdlets");
  throw new UserError("neither XDG_STATE_HOME nor HOME names a folder in the environment");
}

/**
 * The place of a project's copy: that of its path. A project that was moved is known by its passphrase, where the folder it was in
 * has it no more; one that was copied as a folder becomes a project of its own.
 * @returns undefined where nothing was copied yet
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

/** The place of a project's copy, made if there is none. */
export function preparePlace(layout: Layout, environment: Environment): CopyPlace {
  const base = copiesFolder(environment);
  makeOwnFolder(base);
  // For a home that is a git repository itself.
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

/** As in {@link Layout.passphrase}, below `.clawdlets`. */
const name = "passphrase";

function passphraseOf(layout: Layout): string | undefined {
  const content = read(layout.passphrase);
  return content === undefined ? undefined : sha256(content);
}

function rootOf(base: string, id: string): string | undefined {
  // One that is cut off, or of a newer version, belongs to no project that we know.
  return record.safeParse(parseJson(read(join(base, id, "project.json"))?.toString("utf8"))).data?.root;
}

const newest = ({ versions }: CopyPlace) => lstatSync(versions, { throwIfNoEntry: false })?.mtimeMs ?? 0;

function makeOwnFolder(path: string): void {
  makeFolders(path, 0o700);
  const stat = refuseOthers(path);
  if ((stat.mode & 0o077) !== 0) chmodSync(path, 0o700);
}

/** @throws UserError for a folder in which somebody else may have put something */
function refuseOthers(path: string): Stats {
  const stat = lstatSync(path);
  const uid = process.getuid?.() ?? stat.uid;
  if (stat.isDirectory() && stat.uid === uid && (stat.mode & 0o022) === 0) return stat;
  const what = !stat.isDirectory()
    ? "is not a folder"
    : stat.uid === uid
      ? "may be written to by others"
      : `belongs to user ${stat.uid}`;
  throw new UserError(
    { subject: "", problem: `${path} ${what}, so nothing is kept there or taken from it.`, fix: "Move it away" },
    {
      exitCode: exitCodes.settings,
    },
  );
}
