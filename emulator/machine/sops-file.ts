import { Buffer } from "node:buffer";
import { createDecipheriv, createHash } from "node:crypto";
import { armor, Decrypter } from "age-encryption";
import { parse } from "yaml";
import { z } from "zod";

const sopsFile = z.object({
  sops: z.object({
    age: z.array(z.object({ enc: z.string() })),
    lastmodified: z.string(),
    mac: z.string(),
    mac_only_encrypted: z.boolean().optional(),
  }),
});

/**
 * The value in a sops file of one secret, undefined when the identity file does not open it; as `sops decrypt` does it. Keys
 * of other kinds than age, key groups and unencrypted values are not emulated: such a file does not open.
 */
export async function readSopsFile(identityFile: string, text: string, name: string): Promise<string | undefined> {
  try {
    const document: unknown = parse(text);
    const { sops } = sopsFile.parse(document);
    const value = z.record(z.string(), z.unknown()).parse(document)[name];
    const key = await dataKey(identityFile, sops.age);
    // The path of a value in its file is bound to it, so that no two can be exchanged.
    const plain = decryptValue(z.string().parse(value), key, `${name}:`);
    const hash = createHash("sha512");
    if (sops.mac_only_encrypted === true) hash.update(createHash("sha256").update("sops").digest());
    const digest = hash.update(plain).digest("hex").toUpperCase();
    const isWhole = decryptValue(sops.mac, key, sops.lastmodified).toString() === digest;
    return isWhole ? plain.toString() : undefined;
  } catch {
    return undefined; // Whatever is wrong with it, sops would not open it.
  }
}

/** @throws when nothing in the file is encrypted to one of the identities */
async function dataKey(identityFile: string, stanzas: { enc: string }[]): Promise<Uint8Array> {
  for (const { enc } of stanzas) {
    const key = await decryptAge(identityFile, Buffer.from(enc)).catch(() => null);
    if (key !== null) return key;
  }
  throw new Error("encrypted to others");
}

/** What `age --decrypt --identity` does. @throws when none of the identities fits */
export async function decryptAge(identityFile: string, file: Buffer): Promise<Buffer> {
  const decrypter = new Decrypter();
  for (const line of identityFile.split("\n")) {
    if (line !== "" && !line.startsWith("#")) decrypter.addIdentity(line.trim());
  }
  const text = file.toString("latin1");
  const bytes = text.startsWith("-----BEGIN AGE") ? armor.decode(text) : new Uint8Array(file);
  return Buffer.from(await decrypter.decrypt(bytes));
}

/** sops keeps a value as AES-256-GCM with a nonce of 32 bytes. @throws when a bit of it is not as it was written */
function decryptValue(value: string, key: Uint8Array, additionalData: string): Buffer {
  const parts = /^ENC\[AES256_GCM,data:(.+),iv:(.+),tag:(.+),type:(.+)\]/.exec(value);
  const [data = "", iv = "", tag = ""] = parts?.slice(1) ?? [];
  const decipher = createDecipheriv("aes-256-gcm", key, Buffer.from(iv, "base64"), { authTagLength: 16 });
  decipher.setAAD(Buffer.from(additionalData));
  decipher.setAuthTag(Buffer.from(tag, "base64"));
  return Buffer.concat([decipher.update(Buffer.from(data, "base64")), decipher.final()]);
}
