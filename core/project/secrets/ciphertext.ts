import { createHash } from "node:crypto";
import { relative } from "node:path";
import { SettingsError } from "../../base/errors.ts";
import { readPrivateFile } from "../../base/machine/private-files.ts";
import type { Layout } from "../layout.ts";
import { openSecrets } from "./open.ts";
import type { RequiredSecret } from "./plan.ts";
import { type SecretStore, secretFile } from "./store.ts";

/** @returns sops text by secret name @throws SettingsError with every file that is not there */
export function ciphertextOf(store: SecretStore, required: readonly RequiredSecret[]): Record<string, string> {
  const texts = required.map(({ name }) => [name, readPrivateFile(secretFile(store, name))] as const);
  const missing = texts.filter(([, text]) => text === undefined).map(([name]) => name);
  if (missing.length > 0) {
    const where = (name: string) => relative(store.layout.root, secretFile(store, name));
    throw new SettingsError(
      missing.map((name) => ({
        code: "secret-missing",
        subject: where(name),
        setting: name,
        problem: "there is no such file.",
        fix: `Make it: clawdlets secrets init --host ${store.host}`,
      })),
    );
  }
  return Object.fromEntries(texts.map(([name, text]) => [name, text ?? ""]));
}

/** What the host is to have, as files; nothing is decrypted. @throws SettingsError for one that is not there */
export function ciphertextHere(layout: Layout, host: string): Record<string, string> {
  const { store, required } = openSecrets(layout, host, { environment: process.env, sops: "sops" });
  return ciphertextOf(store, required);
}

/**
 * Names what a host is to have, without saying anything of it: SHA-256, 64 hex digits, of names and ciphertext. sops encrypts
 * under a key of its own each time, so the same secret written anew is another digest.
 */
export function ciphertextDigest(files: Readonly<Record<string, string>>): string {
  const sorted = Object.entries(files).sort(([one], [other]) => (one < other ? -1 : 1));
  return createHash("sha256").update(JSON.stringify(sorted)).digest("hex");
}
