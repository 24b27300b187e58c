import { Buffer } from "node:buffer";
import { createPublicKey, verify } from "node:crypto";
import { ROOT } from "../files/inode.ts";
import type { FileTree } from "../files/tree.ts";
import { exists } from "./activation.ts";

interface Release {
  /** Commit, store path or source. */
  what: string;
  release: string;
  /** `name:base64`. */
  signature: string;
  downgrade: boolean;
}

const KEPT = "/var/lib/clawdlets/activation/release";
const MARK = "/run/clawdlets-downgrade-allowed";
/** DER of an Ed25519 public key is this and its 32 bytes (RFC 8410). */
const DER = Buffer.from("302a300506032b6570032100", "hex");

/** What nix/host/activate.sh has against a release, or null. */
export function releaseProblem(tree: FileTree, hostname: string, order: Release): string | null {
  const keys = textAt(tree, "/run/current-system/etc/clawdlets/system-keys").split("\n").filter(Boolean);
  const { what, release, signature, downgrade } = order;
  if (keys.length === 0) {
    const why = "this host trusts no keys (clawdlets:systemKeys), so it accepts no system that was built elsewhere";
    return /^(?:source:)?\//.test(what) ? why : null;
  }
  if (signature === "" || what === "newest" || what === "previous") {
    return "it is not signed, and this host accepts only what one of its keys has signed (clawdlets:systemKeys)";
  }
  if (!keys.some((key) => isSigned(key, `clawdlets-release;1;${hostname};${release};${what}`, signature))) {
    return "no key that this host trusts has signed this release for it (clawdlets:systemKeys)";
  }
  const floor = textAt(tree, "/run/current-system/etc/clawdlets/release-floor");
  const kept = Math.max(Number(textAt(tree, KEPT)), Number(floor));
  if (Number(release) > kept) return null;
  const older = `release ${release} is not newer than the host's release ${kept}`;
  if (!downgrade) return older;
  if (exists(tree, MARK)) return null;
  return `${older}. To allow an older one once, run as root at the console: touch ${MARK}`;
}

export function keepRelease(tree: FileTree, release: string): void {
  if (release === "") return;
  tree.writeFile(KEPT, Buffer.from(`${release}\n`), ROOT, 0o644);
  if (exists(tree, MARK)) tree.remove(MARK, ROOT, false);
}

function isSigned(key: string, text: string, signature: string): boolean {
  const [name, encoded = ""] = key.split(":");
  const [signer, bytes = ""] = signature.split(":");
  if (name !== signer) return false;
  const der = Buffer.concat([DER, Buffer.from(encoded, "base64")]);
  const publicKey = createPublicKey({ key: der, format: "der", type: "spki" });
  return verify(null, Buffer.from(text), publicKey, Buffer.from(bytes, "base64"));
}

const textAt = (tree: FileTree, path: string) => (exists(tree, path) ? tree.readFile(path, ROOT).toString() : "");
