import { join, relative } from "node:path";
import { SettingsError } from "../errors.ts";
import type { HostLayout, Layout } from "../local/layout.ts";
import { readPrivateFile } from "../local/private-files.ts";
import { publicKeyOf } from "../local/ssh-keys.ts";
import { identityFileText, readIdentityFile } from "../secrets/age.ts";
import { requiredSecrets } from "../secrets/plan.ts";
import type { HostSettings, LocalSettings } from "../settings/host.ts";
import type { Delivery } from "./extra-files.ts";

/** Collects what a host is handed: its age identity, its final ssh key, the ciphertext of its secrets, and its marker. */
export async function readDelivery(
  host: HostLayout,
  {
    layout,
    settings,
    local,
    installId,
  }: { layout: Layout; settings: HostSettings; local: LocalSettings; installId: string },
): Promise<Delivery> {
  const pair = await readIdentityFile(host.identity);
  const names = requiredSecrets(settings).map(({ name }) => name);
  const secrets = names.map((name) => [name, readPrivateFile(join(local.secretsDir, `${name}.yaml`))] as const);
  const missing = secrets
    .filter(([, text]) => text === undefined)
    .map(([name]) => join(local.secretsDir, `${name}.yaml`));
  const hostPrivateKey = readPrivateFile(host.hostKey);
  if (!pair) missing.push(host.identity);
  if (hostPrivateKey === undefined) missing.push(host.hostKey);
  if (!pair || hostPrivateKey === undefined || missing.length > 0) {
    const message = `there is no such file. Make it: clawdlets init --host ${settings.host}`;
    throw new SettingsError(
      missing.map((file) => ({ where: relative(layout.root, file), setting: "delivery", message })),
    );
  }
  return {
    host: settings.host,
    installId,
    identityFileText: identityFileText(pair),
    hostPrivateKey,
    hostPublicKey: publicKeyOf(host.hostKey),
    remoteSecretsDir: local.remoteSecretsDir,
    secrets: Object.fromEntries(secrets.map(([name, text]) => [name, text ?? ""])),
  };
}
