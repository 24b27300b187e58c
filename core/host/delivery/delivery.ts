import { isIPv6 } from "node:net";
import { join, relative } from "node:path";
import { SettingsError } from "../../base/errors.ts";
import { readPrivateFile } from "../../base/machine/private-files.ts";
import { publicKeyOf } from "../../base/machine/ssh-keys.ts";
import type { Problem } from "../../base/problem.ts";
import type { HostLayout, Layout } from "../../project/layout.ts";
import { identityFileText, readIdentityFile } from "../../project/secrets/keys/age.ts";
import { requiredSecrets } from "../../project/secrets/required.ts";
import type { HostSettings, LocalSettings } from "../../project/settings/host.ts";
import type { Delivery } from "./extra-files.ts";
import { readSecretSources } from "./upstream-secrets.ts";

/**
 * Collects what a host receives: its age identity, final ssh host key, encrypted secrets, installation id, and the operator's
 * own files.
 * @throws SettingsError that lists everything missing or unsuitable
 */
export async function readDelivery(
  host: HostLayout,
  {
    layout,
    settings,
    local,
    installId,
    address,
  }: { layout: Layout; settings: HostSettings; local: LocalSettings; installId: string; address: string },
): Promise<Delivery> {
  const pair = await readIdentityFile(host.identity);
  const sources = readSecretSources(layout, host, local, requiredSecrets(layout, settings));
  const files = [
    ...sources.local.map(({ name }) => ({ name, file: join(local.secretsDir, `${name}.yaml`) })),
    ...sources.both.filter(({ isRequired }) => !isRequired).map(({ name, localFile: file }) => ({ name, file })),
    ...sources.fromTree,
  ];
  const secrets = files.map(({ name, file }) => ({ name, file, text: readPrivateFile(file) }));
  const missing = secrets.filter(({ text }) => text === undefined).map(({ file }) => file);
  const hostPrivateKey = readPrivateFile(host.hostKey);
  if (!pair) missing.push(host.identity);
  if (hostPrivateKey === undefined) missing.push(host.hostKey);
  const problems = [
    ...missing.map(
      (file): Problem => ({
        code: "file-missing",
        subject: relative(layout.root, file),
        setting: "delivery",
        problem: "there is no such file.",
        fix: `Create it: clawdlets init --host ${settings.host}`,
      }),
    ),
    ...sources.tree.problems,
  ];
  if (!pair || hostPrivateKey === undefined || problems.length > 0) throw new SettingsError(problems);
  return {
    host: settings.host,
    installId,
    ...(isIPv6(address) && { ipv6Address: `${address}/64` }),
    identityFileText: identityFileText(pair),
    hostPrivateKey,
    hostPublicKey: publicKeyOf(host.hostKey),
    remoteSecretsDir: sources.remoteSecretsDir,
    secrets: Object.fromEntries(secrets.map(({ name, text }) => [name, text ?? ""])),
    added: [...sources.tree.entries.values()],
  };
}
