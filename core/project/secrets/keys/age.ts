import { armor, Encrypter, generateX25519Identity, identityToRecipient } from "age-encryption";
import { UserError } from "../../../base/errors.ts";
import { exitCodes } from "../../../base/exit-codes.ts";
import { readPrivateFile, writePrivateFile } from "../../../base/machine/private-files.ts";

/** An age X25519 key pair: the identity is the private half (`AGE-SECRET-KEY-1…`), the recipient the public half (`age1…`). */
export interface AgeKeyPair {
  identity: string;
  recipient: string;
}

export async function createAgeKeyPair(): Promise<AgeKeyPair> {
  const identity = await generateX25519Identity();
  return { identity, recipient: await identityToRecipient(identity) };
}

/** Whose identity a file holds; decides how to fix a wrong one. */
export type IdentityOf = "host" | "operator";

const adviceFor: Readonly<Record<IdentityOf, string>> = {
  host: "Restore the file from a backup, or give the host a new identity: clawdlets secrets rotate",
  operator:
    "Keep only the one whose public half is in .clawdlets/secrets/operators, or set SOPS_AGE_KEY_FILE in .clawdlets/.env to a file with only that one",
};

const byteOrderMark = "\uFEFF";

/** Files that people give by mistake instead of an identity file, by what they begin with or hold. */
const unusableFiles: readonly (readonly [RegExp, string])[] = [
  // getsops/sops#933: sops cannot ask for the passphrase either.
  [/^(?:-----BEGIN AGE ENCRYPTED FILE-----|age-encryption\.org\/v1)/, "encrypted; decrypt it first: age --decrypt"],
  [/^-----BEGIN (?:OPENSSH|RSA|EC) PRIVATE KEY-----/, "ssh keys are not supported"],
  // sops stops at it: unknown identity type.
  [/^\uFEFF/, "it begins with a byte order mark; save it as UTF-8 without one"],
  [/AGE-PLUGIN-/, "plugin identities are not supported"],
  [/^age1/m, "only the public half, a recipient"],
];

/**
 * Reads an identity file in the format of `age-keygen`.
 * @returns undefined if the file does not exist
 * @throws UserError if the file does not hold exactly one identity, or others can read it. The content is never shown.
 */
export async function readIdentityFile(path: string, of: IdentityOf = "host"): Promise<AgeKeyPair | undefined> {
  const text = readPrivateFile(path);
  if (text === undefined) return undefined;
  const lines = text.split(/\r?\n/).filter((line) => line.startsWith("AGE-SECRET-KEY-1"));
  const identity = lines[0]?.trim();
  const [, unusable] = unusableFiles.find(([mark]) => mark.test(text)) ?? [];
  if (!identity || lines.length > 1 || text.startsWith(byteOrderMark)) {
    const why = unusable === undefined ? "" : ` (${unusable})`;
    const found = lines.length > 1 ? `${lines.length} age identities` : `no age identity${why}`;
    throw new UserError(`${path} holds ${found}; exactly one is needed. ${adviceFor[of]}`, {
      exitCode: exitCodes.settings,
    });
  }
  try {
    return { identity, recipient: await identityToRecipient(identity) };
  } catch {
    // The library's own error is not kept as a cause: it could quote the key.
    throw new UserError(
      {
        subject: "",
        problem: `${path} holds a damaged age identity (its checksum is wrong).`,
        fix: "Restore the file from a backup.",
      },
      { exitCode: exitCodes.settings },
    );
  }
}

/** The text of an identity file in the exact format of `age-keygen`, but without the date. */
export function identityFileText({ identity, recipient }: AgeKeyPair): string {
  return `# public key: ${recipient}\n${identity}\n`;
}

/** Creates the identity file `path` if it does not exist; an existing one is never overwritten. */
export async function ensureIdentityFile(
  path: string,
  of: IdentityOf = "host",
): Promise<AgeKeyPair & { created: boolean }> {
  const existing = await readIdentityFile(path, of);
  if (existing) return { ...existing, created: false };
  const pair = await createAgeKeyPair();
  await writePrivateFile(path, identityFileText(pair));
  return { ...pair, created: true };
}

/** Encrypts a short text so that any of the recipients can decrypt it, like `age --armor`. */
export async function encryptTo(recipients: readonly string[], text: string): Promise<string> {
  const encrypter = new Encrypter();
  for (const recipient of recipients) encrypter.addRecipient(recipient);
  return armor.encode(await encrypter.encrypt(text));
}
