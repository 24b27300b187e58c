import { userInfo } from "node:os";
import { dirname, join, resolve } from "node:path";
import { SettingsError } from "../../../base/errors.ts";
import { readFolder, readPublicFile, writePrivateFile } from "../../../base/machine/private-files.ts";
import type { Layout } from "../../layout.ts";
import { ageRecipient } from "../../settings/names.ts";
import { type AgeKeyPair, ensureIdentityFile } from "./age.ts";

/** The user name, made safe for a file name: domain accounts contain a backslash. */
function operatorName(): string {
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
  if (isOurs && readPublicFile(publicFile) === undefined) await writePrivateFile(publicFile, `${pair.recipient}\n`);
  return pair;
}

/**
 * Recipients of all operators, who can read every host's secrets: one `.age.pub` file each in `.clawdlets/secrets/operators`.
 * @throws SettingsError for a file without a valid recipient
 */
export function operatorRecipients(layout: Layout): string[] {
  const files = readFolder(layout.operators).filter((name) => name.endsWith(".age.pub"));
  return files.map((name) => {
    const text = (readPublicFile(join(layout.operators, name)) ?? "").trim();
    const checked = ageRecipient.safeParse(text);
    if (checked.success) return checked.data;
    const allowed = checked.error.issues.map(({ message }) => message).join("; ");
    throw new SettingsError([
      {
        code: "key-invalid",
        subject: `.clawdlets/secrets/operators/${name}`,
        setting: "recipient",
        problem: `${allowed}.`,
      },
    ]);
  });
}
