import { userInfo } from "node:os";
import { dirname, join, resolve } from "node:path";
import { SettingsError } from "../../../base/errors.ts";
import { readFolder, readPublicFile, writePrivateFile } from "../../../base/machine/private-files.ts";
import { isPublicKeyLine } from "../../../base/public-key.ts";
import type { Layout } from "../../layout.ts";
import { ageRecipient } from "../../settings/names.ts";
import { type AgeKeyPair, ensureIdentityFile } from "./age.ts";

/** The user name, made safe for a file name: domain accounts contain a backslash. */
export function operatorName(): string {
  return userInfo().username.replace(/[^A-Za-z0-9._-]/g, "_");
}

/**
 * Path of this operator's age identity: as set in upstream's `.env`, otherwise a file with the user's name.
 * @param named `SOPS_AGE_KEY_FILE` of `.clawdlets/.env`, relative to the project
 */
export function operatorIdentityFile(layout: Layout, named: string | undefined): string {
  return named === undefined ? join(layout.operators, `${operatorName()}.agekey`) : resolve(layout.root, named);
}

/** Creates this operator's identity and the public file next to it, if missing. */
export async function ensureOperator(layout: Layout, file: string): Promise<AgeKeyPair & { created: boolean }> {
  const pair = await ensureIdentityFile(file, "operator");
  const publicFile = file.replace(/\.agekey$/, ".age.pub");
  const isOurs = dirname(file) === layout.operators && publicFile !== file;
  // A colleague may have recorded it under another name.
  const isMissing =
    isOurs && readPublicFile(publicFile) === undefined && !operatorRecipients(layout).includes(pair.recipient);
  if (isMissing) await writePrivateFile(publicFile, `${pair.recipient}\n`);
  return pair;
}

/** Who can read every host's secrets, and log in to every host. */
export interface Operator {
  /** Of their files. */
  name: string;
  recipient: string;
  /** OpenSSH public key lines; empty if only the recipient is known, as from an earlier version. */
  sshKeys: string[];
}

/** The files of one operator. Only their own machine has the identity. */
export const operatorFiles = ({ operators }: Pick<Layout, "operators">, name: string) => ({
  identity: join(operators, `${name}.agekey`),
  recipient: join(operators, `${name}.age.pub`),
  sshKeys: join(operators, `${name}.ssh.pub`),
});

/**
 * All operators: a `.age.pub` file each in `.clawdlets/secrets/operators`, and a `.ssh.pub` file beside it.
 * @throws SettingsError for a file without a valid recipient
 */
export function readOperators(layout: Layout): Operator[] {
  const names = readFolder(layout.operators).flatMap((file) => /^(.+)\.age\.pub$/.exec(file)?.[1] ?? []);
  return names.map((name) => {
    const files = operatorFiles(layout, name);
    const checked = ageRecipient.safeParse((readPublicFile(files.recipient) ?? "").trim());
    const sshKeys = (readPublicFile(files.sshKeys) ?? "").split("\n").filter((line) => line.trim() !== "");
    const wrong = sshKeys.some((line) => !isPublicKeyLine(line));
    if (checked.success && !wrong) return { name, recipient: checked.data, sshKeys };
    const allowed = checked.success
      ? "allowed: one OpenSSH public key per line"
      : checked.error.issues.map(({ message }) => message).join("; ");
    throw new SettingsError([
      {
        code: "key-invalid",
        subject: `.clawdlets/secrets/operators/${name}.${checked.success ? "ssh" : "age"}.pub`,
        setting: checked.success ? "ssh key" : "recipient",
        problem: `${allowed}.`,
      },
    ]);
  });
}

/** Recipients of all operators. @throws SettingsError like {@link readOperators} */
export const operatorRecipients = (layout: Layout): string[] => readOperators(layout).map(({ recipient }) => recipient);
