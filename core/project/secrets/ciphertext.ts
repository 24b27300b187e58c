import { createHash } from "node:crypto";
import { relative } from "node:path";
import { SettingsError } from "../../base/errors.ts";
import { ownEnvironment } from "../../base/machine/environment.ts";
import { readPrivateFile } from "../../base/machine/private-files.ts";
import type { Layout } from "../layout.ts";
import { openSecrets } from "./open.ts";
import type { RequiredSecret } from "./plan.ts";
import { type SecretStore, secretFile } from "./store.ts";

/** @returns sops text by secret name @throws SettingsError with every missing file */
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
        fix: `Create it: clawdlets secrets init --host ${store.host}`,
      })),
    );
  }
  return Object.fromEntries(texts.map(([name, text]) => [name, text ?? ""]));
}

/** The sops files that the host should have, still encrypted. @throws SettingsError with every missing file */
export function ciphertextHere(layout: Layout, host: string): Record<string, string> {
  const { store, required } = openSecrets(layout, host, { environment: ownEnvironment(), sops: "sops" });
  return ciphertextOf(store, required);
}

/**
 * Identifies a host's set of secrets without revealing them: SHA-256 of names and ciphertext, as 64 hex digits. sops uses a new
 * data key each time, so encrypting the same secret again gives a different digest.
 */
export function ciphertextDigest(files: Readonly<Record<string, string>>): string {
  const sorted = Object.entries(files).sort(([one], [other]) => (one < other ? -1 : 1));
  return createHash("sha256").update(JSON.stringify(sorted)).digest("hex");
}
