import { Buffer } from "node:buffer";
import { unpackTar } from "modern-tar";

/** Why nothing was changed; in the words of the real script. */
export class Refusal extends Error {
  readonly code: string;

  /** @param code of nix/host/receive-secrets.sh */
  constructor(message: string, code = "malformed") {
    super(message);
    this.code = code;
  }
}

/** What came by standard input. */
export interface Received {
  /** Texts of sops files by the name of the secret, in the order in which they are judged. */
  secrets: Map<string, Buffer>;
  /** The new age identity, encrypted to the present one. */
  identity: Buffer | null;
}

const INPUT_MAX = 256 * 1024 * 1024;
const FILE_MAX = 256 * 1024;
const FILES_MAX = 1000;
const END = 1024;
const outOfRange = "an entry whose owner, size or time is out of range";

/** Takes the tar apart as nix/host/receive-secrets.sh does. @throws Refusal */
export async function readReceived(tar: Buffer): Promise<Received> {
  if (tar.length > INPUT_MAX) throw new Refusal("more than 256 MiB");
  if (tar.length < END || tar.subarray(-END).some((byte) => byte !== 0)) {
    throw new Refusal("the tar is truncated: was the connection cut?", "cut");
  }
  const files = await membersOf(tar);
  const identity = files.get("identity.age") ?? null;
  files.delete("identity.age");
  if (files.size === 0) throw new Refusal("no <name>.yaml in the tar");
  const secrets = new Map<string, Buffer>();
  for (const file of [...files.keys()].sort()) {
    const name = file.replace(/\.yaml$/, "");
    secrets.set(name, files.get(file) ?? Buffer.alloc(0));
  }
  return { secrets, identity };
}

async function membersOf(tar: Buffer): Promise<Map<string, Buffer>> {
  const entries = await unpackTar(new Uint8Array(tar), { strict: true }).catch(() => {
    // modern-tar does not read base-256 numbers; GNU tar does, and then lists a time that is not a date.
    throw new Refusal(((tar[136] ?? 0) & 0x80) === 0 ? "not a tar" : outOfRange);
  });
  const files = new Map<string, Buffer>();
  for (const { header, data } of entries) {
    const name = escapeName(header.name);
    const { type = "file", linkname = "", mtime } = header;
    if (mtime !== undefined && !isListedAsDate(mtime)) {
      throw new Refusal(outOfRange);
    }
    const towards =
      type === "symlink" ? ` -> ${escapeName(linkname)}` : type === "link" ? ` link to ${escapeName(linkname)}` : "";
    if (type !== "file") throw new Refusal(`${name}${towards}: not a regular file`);
    if (!/^([a-z][a-z0-9_-]{0,62}\.yaml|identity\.age)$/.test(name)) {
      throw new Refusal(`${name}: expected identity.age, or <name>.yaml with a name of ^[a-z][a-z0-9_-]{0,62}$`);
    }
    if (files.has(name)) throw new Refusal(`${name}: twice in the tar`);
    if (header.size > FILE_MAX) throw new Refusal(`${name}: larger than 256 KiB`);
    files.set(name, Buffer.from(data ?? []));
    if (files.size > FILES_MAX) throw new Refusal("more than 1000 files");
  }
  return files;
}

/** sops leaves a key that ends in `_unencrypted` as it is. So: one key, encrypted, and then sops' own. */
export function holdsOneEncryptedValue(name: string, content: Buffer): boolean {
  const lines = content
    .toString("latin1")
    .split("\n")
    .filter((line) => !/^([ \t\v\f\r#]|$)/.test(line));
  const [value = "", end] = lines;
  const isValue = value.replace(/^"?([^":]*)"?: (ENC\[AES256_GCM,).*/, "$1: $2") === `${name}: ENC[AES256_GCM,`;
  return isValue && end === "sops:" && lines.length === 2;
}

/** Of other times tar's listing shows the number alone, or a year of five digits. */
function isListedAsDate(time: Date): boolean {
  const year = time.getUTCFullYear(); // NaN where Date cannot hold it either.
  return year >= 0 && year <= 9999;
}

/** As tar's listing shows a name: one line, whatever is in it. */
function escapeName(name: string): string {
  const bytes = [...Buffer.from(name)].map((byte) => {
    const character = String.fromCharCode(byte);
    if (character === "\\" || character === "\n") return character === "\n" ? "\\n" : "\\\\";
    return byte < 0x20 || byte >= 0x7f ? `\\${byte.toString(8).padStart(3, "0")}` : character;
  });
  return bytes.join("");
}
