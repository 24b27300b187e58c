import { createPrivateKey, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { join } from "node:path";
import { UserError } from "../../../base/errors.ts";
import { exitCodes } from "../../../base/exit-codes.ts";
import { readFolder, readPrivateFile, writePrivateFile } from "../../../base/machine/private-files.ts";
import type { Layout } from "../../layout.ts";

/** A key that signs systems, Ed25519, in the format of `nix key generate-secret`. */
export interface SystemKey {
  /** `clawdlets-20261127-1a2b3c4d`: day and chance. */
  name: string;
  /** `name:base64`, for `clawdlets:systemKeys`. */
  publicKey: string;
  /** The file with the private half, which nix can read. */
  file: string;
}

const ending = ".secret";
/** DER of an Ed25519 private key is this and its 32 bytes (RFC 8410). */
const derPrefix = Buffer.from("302e020100300506032b657004220420", "hex");

/** The keys whose private halves are on this machine, oldest first. @throws UserError if one is malformed; it is not shown */
export function readSystemKeys(layout: Layout): SystemKey[] {
  const names = readFolder(layout.systemKeys).filter((file) => file.endsWith(ending));
  return names.sort().map((each) => {
    const file = join(layout.systemKeys, each);
    const { name, publicHalf } = parse(file);
    return { name, publicKey: `${name}:${publicHalf.toString("base64")}`, file };
  });
}

/** Creates a key. Its name is unique, because nix and the host find a key by its name. */
export async function createSystemKey(layout: Layout): Promise<SystemKey> {
  const day = new Date().toISOString().slice(0, 10).replaceAll("-", "");
  const name = `clawdlets-${day}-${randomBytes(4).toString("hex")}`;
  const jwk = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  const [seed, publicHalf] = [Buffer.from(jwk.d ?? "", "base64url"), Buffer.from(jwk.x ?? "", "base64url")];
  const file = join(layout.systemKeys, `${name}${ending}`);
  await writePrivateFile(file, `${name}:${Buffer.concat([seed, publicHalf]).toString("base64")}`);
  return { name, publicKey: `${name}:${publicHalf.toString("base64")}`, file };
}

/** The newest key that is here, or a new one. */
export async function ensureSystemKey(layout: Layout): Promise<SystemKey> {
  return readSystemKeys(layout).at(-1) ?? (await createSystemKey(layout));
}

/** @returns `name:base64`, as nix writes signatures */
export function signWith({ file }: SystemKey, text: string): string {
  const { name, seed } = parse(file);
  const key = createPrivateKey({ key: Buffer.concat([derPrefix, seed]), format: "der", type: "pkcs8" });
  return `${name}:${sign(null, Buffer.from(text), key).toString("base64")}`;
}

function parse(file: string): { name: string; seed: Buffer; publicHalf: Buffer } {
  const [, name, encoded] = /^([\w.@+-]{1,100}):([A-Za-z0-9+/]{86}==)\s*$/.exec(readPrivateFile(file) ?? "") ?? [];
  if (name !== undefined && encoded !== undefined) {
    const bytes = Buffer.from(encoded, "base64");
    return { name, seed: bytes.subarray(0, 32), publicHalf: bytes.subarray(32) };
  }
  throw new UserError(
    {
      code: "key-invalid",
      subject: file,
      problem: "is not a key of nix key generate-secret: expected a name, a colon and 88 characters of base64.",
      fix: "Restore it from a backup (this machine's own copy: clawdlets secrets restore).",
    },
    { exitCode: exitCodes.settings },
  );
}
