import { lstatSync, readFileSync, type Stats, statSync } from "node:fs";
import { dirname, relative } from "node:path";
import { Decrypter, Encrypter } from "age-encryption";
import { hasCode, UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { refuseTooLarge } from "../../base/machine/private-files.ts";
import { leadsOut } from "../../base/text/inside.ts";
import type { Layout } from "../../project/layout.ts";
import { mostVaultMebibytes, unpack } from "./contents.ts";

/** Who can open a vault: age recipients, or everyone with the passphrase. */
export type SealedFor = { recipients: readonly string[] } | { passphrase: string };
/** What opens one: the text of an age identity, or its passphrase. */
export type OpenedWith = { identity: string } | { passphrase: string };

/** Refuses a place that would be part of what is packed, or that has something else. */
export function checkTarget(layout: Layout, file: string, force: boolean): void {
  if (!leadsOut(relative(layout.dir, file))) {
    const fix = "Choose a place that survives this machine, e.g. a USB stick.";
    throw refusal("invalid-value", file, "is inside .clawdlets, which it is a copy of.", fix);
  }
  const stat = statOf(file);
  if (stat && !stat.isFile()) {
    throw refusal("file-in-the-way", file, "is not a plain file.", "Choose another name.");
  }
  if (stat && !force) throw refusal("file-in-the-way", file, "already exists.", "Pass --force to replace it.");
  if (!statSync(dirname(file), { throwIfNoEntry: false })?.isDirectory()) {
    throw refusal("file-missing", dirname(file), "this folder does not exist.", "Create it, or choose another one.");
  }
}

/** Also undefined where a part of the path is a file. */
function statOf(file: string): Stats | undefined {
  try {
    return lstatSync(file);
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
}

export async function seal(archive: Uint8Array, sealedFor: SealedFor): Promise<Uint8Array> {
  const encrypter = new Encrypter();
  if ("passphrase" in sealedFor) encrypter.setPassphrase(sealedFor.passphrase);
  else for (const recipient of sealedFor.recipients) encrypter.addRecipient(recipient);
  return encrypter.encrypt(archive);
}

/**
 * @param writtenBy the command that makes such files
 * @throws UserError if the file is not a vault, or needs another key
 */
export async function open(file: string, openedWith: OpenedWith, writtenBy = "vault export") {
  const fix = `Pass the file that ${writtenBy} wrote.`;
  const stat = statOf(file);
  if (!stat?.isFile()) {
    const problem = stat ? "is not a plain file." : "there is no such file.";
    throw refusal(stat ? "file-invalid" : "file-missing", file, problem, fix);
  }
  refuseTooLarge(file, stat.size, mostVaultMebibytes);
  const sealed = readFileSync(file);
  if (!sealed.subarray(0, 22).equals(Buffer.from("age-encryption.org/v1\n"))) {
    throw refusal("file-invalid", file, "is not encrypted with age.", fix);
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

export function refusal(
  code: "file-missing" | "file-in-the-way" | "file-invalid" | "invalid-value" | "key-mismatch",
  subject: string,
  problem: string,
  fix: string,
): UserError {
  return new UserError({ code, subject, problem, fix }, { exitCode: exitCodes.settings });
}
