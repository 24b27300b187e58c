import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { hasCode } from "../../core/base/errors.ts";
import { readFolder, removePrivateFile, writePrivateFile } from "../../core/base/machine/private-files.ts";
import { parseJson } from "../../core/base/text/json.ts";
import { parseYamlText } from "../../core/base/text/yaml-text.ts";
import { hostLayoutOf, type Layout } from "../../core/project/layout.ts";
import { refuseForeignFolder } from "../../core/project/own-folder.ts";
import { listStates, parseCheckpoint, stateFileOf } from "../../core/project/state/state.ts";
import { clearDeadLocks } from "./stack-locks.ts";

/**
 * The engine's file backend writes without fsync, and beside each file a `.attrs` that is not replaced in one step. A kill or a
 * power cut leaves one of them empty, cut off or full of zeros, and the engine then refuses to work on the stack: "failed to
 * load checkpoint: EOF" is an empty `.attrs` (gocloud.dev/blob/fileblob, attrs.go).
 */

/**
 * Repairs what a killed run left of a host's state and keeps a copy of a good one. To be called before the engine is.
 * @returns true where an earlier state was restored: what was made since then is at Hetzner only
 * @throws UserError (busy) when something is broken and an engine is still at work on the stack
 */
export async function ensureGoodState(layout: Layout, host: string, tell: (text: string) => void): Promise<boolean> {
  if (isGood(layout, host)) {
    await keepState(layout, host);
    return false;
  }
  await clearDeadLocks(layout, host, tell);
  await removeBrokenAttributes(layout, host, tell);
  await repairVersion(layout, tell);
  const isRestored = await restoreCheckpoint(layout, host, tell);
  await keepState(layout, host);
  return isRestored;
}

/** Copies a host's state to where no engine writes, durably. A broken or missing one leaves the copy as it is. */
export async function keepState(layout: Layout, host: string): Promise<void> {
  const copy = hostLayoutOf(layout, host).stateCopy;
  const text = read(stateFileOf(layout, host));
  if (text === undefined || parseCheckpoint(text) === undefined || text === read(copy)) return;
  await writePrivateFile(copy, text);
}

/** What is wrong with a host's state, for those who do not repair it; undefined where the engine can read it. */
export function brokenState(layout: Layout, host: string): string | undefined {
  if (isGood(layout, host)) return undefined;
  return `${host}: the engine's state is truncated, as happens when a run is killed while it writes; pulumi then reports "failed to load checkpoint" or "corrupt store". Restore its last good copy: clawdlets up --host ${host}`;
}

function isGood(layout: Layout, host: string): boolean {
  refuseForeignFolder(layout);
  const text = read(stateFileOf(layout, host));
  return (
    (text === undefined || parseCheckpoint(text) !== undefined) &&
    !isVersionBroken(layout) &&
    brokenAttributes(layout, host).length === 0
  );
}

const pulumiFolder = (layout: Layout) => join(layout.state, ".pulumi");
const versionFile = (layout: Layout) => join(pulumiFolder(layout), "meta.yaml");

/** Without its `.attrs` a file is read as it stands, so one that cannot be read is removed. */
async function removeBrokenAttributes(layout: Layout, host: string, tell: (text: string) => void): Promise<void> {
  for (const file of brokenAttributes(layout, host)) {
    await removePrivateFile(file);
    tell(`${host}: ${relative(layout.root, file)} was truncated and has been removed; it held nothing that is needed`);
  }
}

function brokenAttributes(layout: Layout, host: string): string[] {
  const file = stateFileOf(layout, host);
  const project = file.split("/").at(-2) ?? "";
  const ofHost = ["history", "backups", "locks/organization"].flatMap((kind) => {
    const folder = join(pulumiFolder(layout), kind, project, host);
    return readFolder(folder).flatMap((name) => (name.endsWith(".attrs") ? [join(folder, name)] : []));
  });
  const all = [versionFile(layout), file, `${file}.bak`].map((each) => `${each}.attrs`);
  return [...all, ...ofHost].filter((each) => {
    const text = read(each);
    return text !== undefined && !isJson(text);
  });
}

/** Says that stacks lie in folders of their projects, which is how they lie here; a missing one would hide them all. */
async function repairVersion(layout: Layout, tell: (text: string) => void): Promise<void> {
  if (!isVersionBroken(layout)) return;
  const file = versionFile(layout);
  await writePrivateFile(file, "version: 1\n");
  tell(`${relative(layout.root, file)} was truncated and has been rewritten`);
}

function isVersionBroken(layout: Layout): boolean {
  const text = read(versionFile(layout));
  if (text === undefined) return listStates(layout).length > 0;
  const { document } = parseYamlText(text, "meta.yaml");
  return typeof document?.get?.("version") !== "number";
}

async function restoreCheckpoint(layout: Layout, host: string, tell: (text: string) => void): Promise<boolean> {
  const file = stateFileOf(layout, host);
  const text = read(file);
  if (text === undefined || parseCheckpoint(text) !== undefined) return false;
  const broken = hostLayoutOf(layout, host).stateBroken;
  const newest = copiesOf(layout, host)[0];
  const displayPath = relative(layout.root, file);
  await writePrivateFile(broken, text);
  if (newest) {
    await writePrivateFile(file, newest.text);
    const from = `${relative(layout.root, newest.path)}, written ${newest.writtenAt || "before anything was created"}`;
    tell(`${host}: ${displayPath} was truncated by a killed run, and has been restored from ${from}`);
  } else {
    await removePrivateFile(file);
    tell(
      `${host}: ${displayPath} was truncated by a killed run, and there is no good copy of it: the stack starts empty`,
    );
  }
  tell(
    `${host}: searching Hetzner by label for anything created since; ${relative(layout.root, broken)} keeps the damaged state`,
  );
  return true;
}

/** The good copies there are, the newest first: the engine's `.bak` and backups, and our own. */
function copiesOf(layout: Layout, host: string) {
  const file = stateFileOf(layout, host);
  const backups = join(pulumiFolder(layout), "backups", file.split("/").at(-2) ?? "", host);
  const paths = [
    `${file}.bak`,
    hostLayoutOf(layout, host).stateCopy,
    ...readFolder(backups).flatMap((name) => (name.endsWith(".json") ? [join(backups, name)] : [])),
  ];
  const copies = paths.flatMap((path) => {
    const text = read(path);
    const checkpoint = text === undefined ? undefined : parseCheckpoint(text);
    return text === undefined || checkpoint === undefined ? [] : [{ path, text, writtenAt: checkpoint.writtenAt }];
  });
  return copies.sort((one, other) => (Date.parse(other.writtenAt) || 0) - (Date.parse(one.writtenAt) || 0));
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
}

const isJson = (text: string): boolean => parseJson(text) !== undefined;
