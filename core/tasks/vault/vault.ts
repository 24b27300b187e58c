import { chmodSync, existsSync, lstatSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { Decrypter, Encrypter } from "age-encryption";
import { z } from "zod";
import { SettingsError, UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import type { Environment } from "../../base/machine/environment.ts";
import {
  makePrivateFolder,
  readFolder,
  readPrivateFile,
  removePrivateFile,
  writePrivateFile,
  writePrivateFileSync,
} from "../../base/machine/private-files.ts";
import { leadsOut } from "../../base/text/inside.ts";
import { parseJson } from "../../base/text/json.ts";
import { safeText } from "../../base/wording.ts";
import { checkLocalFolder } from "../../project/hygiene.ts";
import type { Layout } from "../../project/layout.ts";
import { refuseForeignFolder } from "../../project/own-folder.ts";
import { asOnlyWriter } from "../../project/project-lock.ts";
import { readEnvFile } from "../../project/settings/env-file.ts";
import { expandHome } from "../../project/settings/host.ts";
import { ageRecipient } from "../../project/settings/names.ts";
import { readStackJson } from "../../project/settings/stack-json.ts";
import { digestOf, keysIn, type Manifest, pack, readContents, recordName, sha256, sumsOf, unpack } from "./contents.ts";

/** Who can open a vault: age recipients, or everyone with the passphrase. */
export type SealedFor = { recipients: readonly string[] } | { passphrase: string };
/** What opens one: the text of an age identity, or its passphrase. */
export type OpenedWith = { identity: string } | { passphrase: string };

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

function checkTarget(layout: Layout, file: string, force: boolean): void {
  if (!leadsOut(relative(layout.dir, file))) {
    const fix = "Choose a place that survives this machine, e.g. a USB stick.";
    throw refusal("invalid-value", file, "is inside .clawdlets, which it is a copy of.", fix);
  }
  const stat = lstatSync(file, { throwIfNoEntry: false });
  if (stat && !stat.isFile()) {
    throw refusal("file-in-the-way", file, "is not a plain file.", "Choose another name.");
  }
  if (stat && !force) throw refusal("file-in-the-way", file, "already exists.", "Pass --force to replace it.");
  if (!existsSync(dirname(file))) {
    throw refusal("file-missing", dirname(file), "this folder does not exist.", "Create it, or choose another one.");
  }
}

/** A checkpoint that is copied while it is written could not be read again. */
function refuseRunningEngine(layout: Layout): void {
  const locks = join(layout.state, ".pulumi", "locks");
  const isLocked = (folder: string): boolean =>
    readFolder(folder).some((name) => name.endsWith(".json") || isLocked(join(folder, name)));
  if (!isLocked(locks)) return;
  throw new UserError(
    {
      code: "busy",
      subject: "the state",
      problem: "an engine is using it, or was killed while it did.",
      fix: "Wait for it to end, or clear it: clawdlets up",
    },
    { exitCode: exitCodes.busy },
  );
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

async function seal(archive: Uint8Array, sealedFor: SealedFor): Promise<Uint8Array> {
  const encrypter = new Encrypter();
  if ("passphrase" in sealedFor) encrypter.setPassphrase(sealedFor.passphrase);
  else for (const recipient of sealedFor.recipients) encrypter.addRecipient(recipient);
  return encrypter.encrypt(archive);
}

/** @throws UserError if the file is not a vault, or needs another key */
async function open(file: string, openedWith: OpenedWith) {
  const stat = lstatSync(file, { throwIfNoEntry: false });
  if (!stat?.isFile()) {
    const problem = stat ? "is not a plain file." : "there is no such file.";
    throw refusal(stat ? "file-invalid" : "file-missing", file, problem, "Pass the file that vault export wrote.");
  }
  const sealed = readFileSync(file);
  if (!sealed.subarray(0, 22).equals(Buffer.from("age-encryption.org/v1\n"))) {
    throw refusal("file-invalid", file, "is not encrypted with age.", "Pass the file that vault export wrote.");
  }
  const decrypter = new Decrypter();
  if ("passphrase" in openedWith) decrypter.addPassphrase(openedWith.passphrase);
  else decrypter.addIdentity(openedWith.identity);
  const archive = await decrypter.decrypt(sealed).catch(() => {
    // The library's own error is not kept: it could quote the key.
    const what = "passphrase" in openedWith ? "this passphrase" : "this identity";
    const fix = "Use the one it was exported for. If you did, the file is damaged: use another export.";
    throw refusal("key-mismatch", file, `is not opened by ${what}.`, fix);
  });
  return unpack(archive);
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
  const present = readFolder(layout.dir).filter((name) => name !== recordName);
  if (present.length > 0 && !present.includes(unfinishedName)) {
    throw refusal(
      "file-in-the-way",
      layout.dir,
      `already has ${present.slice(0, 3).join(", ")}${present.length > 3 ? " and more" : ""}.`,
      "Import into a fresh clone, or move it away first: mv .clawdlets ~/clawdlets-before",
    );
  }
  const { about, files } = await open(file, openedWith);
  makePrivateFolder(layout.dir);
  const problems = await checkLocalFolder(layout);
  if (problems.length > 0) throw new SettingsError(problems);
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

function refusal(
  code: "file-missing" | "file-in-the-way" | "file-invalid" | "invalid-value" | "key-mismatch",
  subject: string,
  problem: string,
  fix: string,
): UserError {
  return new UserError({ code, subject, problem, fix }, { exitCode: exitCodes.settings });
}
