import { chmodSync, existsSync, readFileSync } from "node:fs";
import { join, resolve, sep } from "node:path";
import { z } from "zod";
import { SettingsError, UserError } from "../../base/errors.ts";
import type { Environment } from "../../base/machine/environment.ts";
import {
  makePrivateFolder,
  readFolder,
  readPrivateFile,
  removePrivateFile,
  writePrivateFile,
  writePrivateFileSync,
} from "../../base/machine/private-files.ts";
import { parseJson } from "../../base/text/json.ts";
import { safeText } from "../../base/wording.ts";
import { checkLocalFolder } from "../../project/hygiene.ts";
import type { Layout } from "../../project/layout.ts";
import { refuseForeignFolder } from "../../project/own-folder.ts";
import { asOnlyWriter } from "../../project/project-lock.ts";
import { readEnvFile } from "../../project/settings/env-file.ts";
import { expandHome } from "../../project/settings/host.ts";
import { ageRecipient } from "../../project/settings/names.ts";
import { readStackJson } from "../../project/settings/stack-json/stack-json.ts";
import { refuseRunningEngine } from "../../project/state/running-engine.ts";
import { digestOf, keysIn, type Manifest, pack, readContents, recordName, sha256, sumsOf } from "./contents.ts";
import { checkTarget, type OpenedWith, open, refusal, type SealedFor, seal } from "./sealed.ts";

export type { OpenedWith, SealedFor } from "./sealed.ts";

export const minPassphraseLength = 12;

export interface ExportRequest {
  layout: Layout;
  environment: Environment;
  /** Absolute path of the vault. */
  file: string;
  sealedFor: SealedFor;
  /** Whether to replace an existing file. */
  force: boolean;
}

export interface Exported {
  file: string;
  at: string;
  hosts: string[];
  files: number;
  bytes: number;
  /** Files that settings name and that are not below `.clawdlets`, so not in the vault. */
  outside: string[];
}

/**
 * Writes all of `.clawdlets`, the engine's state included, to one file encrypted with age. `age --decrypt FILE | tar x` restores it
 * without clawdlets, too.
 * @throws UserError, SettingsError before anything is written
 */
export async function exportVault(request: ExportRequest): Promise<Exported> {
  const { layout, file, sealedFor, force, environment } = request;
  checkSeal(sealedFor);
  if (!existsSync(layout.dir)) {
    const fix = "Create it: clawdlets init; or import a vault: clawdlets vault import FILE";
    throw refusal("file-missing", ".clawdlets", "there is nothing to export.", fix);
  }
  refuseForeignFolder(layout);
  checkTarget(layout, file, force);
  return asOnlyWriter(layout, async () => {
    refuseRunningEngine(layout);
    const contents = readContents(layout);
    const at = new Date().toISOString();
    const hosts = hostsOf(layout);
    const sealed = await seal(await pack(contents, { at, hosts }), sealedFor);
    writePrivateFileSync(file, Buffer.from(sealed));
    if (sha256(readFileSync(file)) !== sha256(sealed)) {
      throw new UserError({
        subject: file,
        problem: "does not contain what was written to it.",
        fix: "Check its disk.",
      });
    }
    await writeRecord(layout, at, sumsOf(contents));
    const outside = namedOutside(layout, environment);
    return { file, at, hosts, files: contents.length, bytes: sealed.length, outside };
  });
}

function checkSeal(sealedFor: SealedFor): void {
  if ("passphrase" in sealedFor) {
    const { length } = sealedFor.passphrase;
    if (length >= minPassphraseLength) return;
    const problem = `has ${length} characters; allowed: at least ${minPassphraseLength}.`;
    throw refusal("invalid-value", "the passphrase", problem, "Use several random words.");
  }
  const wrong = sealedFor.recipients.find((each) => !ageRecipient.safeParse(each).success);
  if (wrong === undefined && sealedFor.recipients.length > 0) return;
  const problem = `is ${wrong === undefined ? "empty" : `"${safeText(wrong, 100)}"`}; allowed: age recipients, age1….`;
  throw refusal("invalid-value", "--to", problem, "Print yours: age-keygen -y FILE");
}

const hostsOf = (layout: Layout): string[] => Object.keys(readStackJson(layout).value?.hosts ?? {}).sort();

/** Keys that an operator keeps elsewhere, such as ~/.ssh. */
function namedOutside(layout: Layout, environment: Environment): string[] {
  const { value } = readStackJson(layout);
  const named = Object.values(value?.hosts ?? {}).map(({ opentofu }) => opentofu.sshPubkeyFile);
  const identity = readEnvFile(layout, {}, value?.envFile).value.SOPS_AGE_KEY_FILE;
  const all = [...named, ...(identity === undefined ? [] : [identity])];
  const paths = all.map((path) => resolve(layout.root, expandHome(path, environment)));
  return [...new Set(paths)].filter((path) => !path.startsWith(`${layout.dir}${sep}`)).sort();
}

export interface VaultReport {
  at: string;
  ageDays: number;
  hosts: string[];
  files: number;
  /** Files of this project's `.clawdlets` that were changed, added or removed since. */
  changed: string[];
}

/** Opens a vault, checks every file in it, and compares it with this project. Changes nothing. */
export async function verifyVault(layout: Layout, file: string, openedWith: OpenedWith): Promise<VaultReport> {
  const { about, files } = await open(file, openedWith);
  const here = existsSync(layout.dir) ? sumsOf(readContents(layout)) : {};
  const names = [...new Set([...Object.keys(here), ...Object.keys(about.files)])].sort();
  const changed = names.filter((path) => here[path] !== about.files[path]);
  return { ...summary(about), files: files.length, changed };
}

const summary = ({ at, hosts }: Manifest) => ({ at, ageDays: daysSince(at), hosts });

export const daysSince = (at: string, now = Date.now()): number =>
  Math.max(0, Math.floor((now - Date.parse(at)) / 86_400_000));

/** Written first and removed last: an import that was cut off is begun again, and anything else is never overwritten. */
const unfinishedName = "import.unfinished";

export interface Imported extends Omit<VaultReport, "changed"> {
  /** Files that settings name and that the vault does not have; some may be missing here. */
  outside: { path: string; isHere: boolean }[];
}

/**
 * Puts the contents of a vault into a project without `.clawdlets`, as in a fresh clone.
 * @throws UserError, SettingsError before anything is written
 */
export async function importVault(
  { layout, environment, file }: { layout: Layout; environment: Environment; file: string },
  openedWith: OpenedWith,
): Promise<Imported> {
  refuseExisting(layout);
  const { about, files } = await open(file, openedWith);
  makePrivateFolder(layout.dir);
  const problems = await checkLocalFolder(layout);
  if (problems.length > 0) throw new SettingsError(problems);
  return asOnlyWriter(layout, async () => {
    refuseExisting(layout); // Another import may have ended meanwhile.
    const marker = join(layout.dir, unfinishedName);
    await writePrivateFile(marker, `${about.at}\n`);
    for (const { path, mode, content } of files) {
      const target = join(layout.dir, path);
      await writePrivateFile(target, Buffer.from(content));
      // Upstream's extra files go to the host with their modes; everything else is private.
      if (path.startsWith("extra-files/")) chmodSync(target, mode);
    }
    await writeRecord(layout, about.at, about.files);
    await removePrivateFile(marker);
    const outside = namedOutside(layout, environment).map((path) => ({ path, isHere: existsSync(path) }));
    return { ...summary(about), files: files.length, outside };
  });
}

function refuseExisting({ dir }: Layout): void {
  const present = readFolder(dir).filter((name) => name !== recordName && !/^init\.(?:lock|holder)$/.test(name));
  if (present.length === 0 || present.includes(unfinishedName)) return;
  throw refusal(
    "file-in-the-way",
    dir,
    `already has ${present.slice(0, 3).join(", ")}${present.length > 3 ? " and more" : ""}.`,
    "Import into a fresh clone, or move it away first: mv .clawdlets ~/clawdlets-before",
  );
}

const vaultRecord = z.object({ schemaVersion: z.literal(1), at: z.iso.datetime(), all: z.string(), keys: z.string() });

const digests = (files: Readonly<Record<string, string>>) => ({ all: digestOf(files), keys: digestOf(keysIn(files)) });

function writeRecord(layout: Layout, at: string, files: Readonly<Record<string, string>>): Promise<void> {
  const record: z.infer<typeof vaultRecord> = { schemaVersion: 1, at, ...digests(files) };
  return writePrivateFile(join(layout.dir, recordName), `${JSON.stringify(record, null, 2)}\n`);
}

export interface LastExport {
  at: string;
  ageDays: number;
  /** Whether nothing has changed since. */
  isCurrent: boolean;
  /** Whether no key, secret or token has changed since: the rest can be made again. */
  hasKeys: boolean;
}

/** When this project was last exported, or imported from; undefined if never. */
export function lastExport(layout: Layout): LastExport | undefined {
  const record = vaultRecord.safeParse(parseJson(readPrivateFile(join(layout.dir, recordName)))).data;
  if (!record) return undefined;
  const { all, keys } = digests(sumsOf(readContents(layout)));
  return { at: record.at, ageDays: daysSince(record.at), isCurrent: all === record.all, hasKeys: keys === record.keys };
}
