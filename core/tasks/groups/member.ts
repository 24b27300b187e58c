import { existsSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { SettingsError } from "../../base/errors.ts";
import { createHetzner } from "../../base/hetzner/client.ts";
import { selectorOf } from "../../base/hetzner/labels.ts";
import { allServers } from "../../base/hetzner/pages.ts";
import type { Environment } from "../../base/machine/environment.ts";
import { writePrivateFile } from "../../base/machine/private-files.ts";
import { hostLayoutOf, type Layout } from "../../project/layout.ts";
import { asOnlyWriter } from "../../project/project-lock.ts";
import { openSecrets, type SecretsOfHost } from "../../project/secrets/open.ts";
import { readSecret, type SecretStore, secretFile } from "../../project/secrets/store.ts";
import { readAccess } from "../../project/settings/access.ts";
import type { StackConfig } from "../../project/settings/stack-config/stack-config.ts";
import { copyStackFile, readRawStackFile } from "../../project/settings/stack-file.ts";
import { hostEntry, readStackJson, type StackHost } from "../../project/settings/stack-json/stack-json.ts";
import { initSecrets } from "../init.ts";

/** One host of a group, and the host that it is like. */
export interface MemberFiles {
  layout: Layout;
  host: string;
  /** The host whose settings and secrets it gets. */
  like: string;
  isProtected: boolean;
  environment: Environment;
  /** `sops`, or its path. */
  sops: string;
}

/** Settings that each host has for itself. */
const own: readonly (keyof StackConfig)[] = [
  "ageRecipient",
  "sshHostKey",
  "adminSshKeys",
  "flakeHost",
  "reinstall",
  "protect",
];

/**
 * Gives a host of a group its files, by the code that `init` uses: stack file, entry in stack.json, keys, encrypted secrets. Settings
 * follow the host that it is like; keys are its own, and made only once. Secrets are copied once, when they are missing. Can be run
 * again, also after it was killed at any step.
 * @throws SettingsError if the other host has no settings or secrets to copy, or if Hetzner has a server of a host without a stack file:
 *   another machine has made its keys
 */
export async function ensureMember(member: MemberFiles): Promise<void> {
  const { layout, host, like, environment, sops } = member;
  const other = openSecrets(layout, like, { environment, sops });
  const raw = readRawStackFile(layout, host);
  const hasKeys = raw["ageRecipient"] !== undefined && raw["sshHostKey"] !== undefined;
  if (!hasKeys) await refuseForeign(member);
  const wanted = memberConfig(member);
  const ownValues = Object.fromEntries(Object.entries(wanted).filter(([key]) => isOwn(key)));
  await asOnlyWriter(layout, async () => {
    await writeEntry(layout, host, other.entry);
    if (!isDeepStrictEqual(raw, wanted)) await copyStackFile(layout, like, layout, host, ownValues);
  });
  // Keys that another machine has made are not made again.
  if (hasKeys && !existsSync(hostLayoutOf(layout, host).identity)) return;
  const { store, required, facts } = openSecrets(layout, host, { environment, sops });
  if (hasKeys && isComplete(store, required)) return;
  const values = await missingValues({ store, required }, other);
  await initSecrets({ store, required, values, overwrite: false, settings: facts });
}

/** The settings that a host of a group has once its files follow the other host: for a preview, which changes no file. */
export function memberConfig({
  layout,
  host,
  like,
  isProtected,
}: Omit<MemberFiles, "environment" | "sops">): Record<string, unknown> {
  const raw = readRawStackFile(layout, host);
  const kept = own.flatMap((key) => (raw[key] === undefined ? [] : [[key, raw[key]]]));
  return {
    ...shared(readRawStackFile(layout, like)),
    ...Object.fromEntries(kept),
    flakeHost: host,
    protect: isProtected,
  };
}

const isOwn = (key: string) => own.some((each) => each === key);
const shared = (raw: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(Object.entries(raw).filter(([key]) => !isOwn(key)));

/** Compares no contents: nothing is decrypted. */
function isComplete({ files, ...store }: SecretStore, required: SecretsOfHost["required"]): boolean {
  const keys = [files.recipient, files.hostKey, files.bootstrapClientKey, files.bootstrapHostKey];
  const secrets = required.map(({ name }) => secretFile({ files, ...store }, name));
  return [...keys, ...secrets].every((file) => existsSync(file));
}

/** A clone that has not been pulled knows neither the host nor its keys. New ones would lock everybody out of it. */
async function refuseForeign({ layout, host, environment }: MemberFiles): Promise<void> {
  const servers = await allServers(
    createHetzner(readAccess(layout, host, environment)),
    "list the host's servers",
    selectorOf(host),
  );
  if (servers.length === 0) return;
  throw new SettingsError([
    {
      code: "key-missing",
      subject: `stacks/Pulumi.${host}.yaml`,
      problem: `is missing or has no keys, but Hetzner has the server "${host}": another clone created it.`,
      fix: "Pull the stack files and stacks/groups that it has committed.",
    },
  ]);
}

/** Plain text of what is missing and cannot be generated. The caller encrypts it at once. */
async function missingValues(
  { store, required }: Pick<SecretsOfHost, "store" | "required">,
  other: SecretsOfHost,
): Promise<Record<string, string>> {
  const values: Record<string, string> = {};
  for (const { name, kind } of required) {
    if (kind === "generated" || existsSync(secretFile(store, name))) continue;
    const value = await readSecret(other.store, name);
    if (value !== undefined) values[name] = value;
  }
  return values;
}

async function writeEntry(layout: Layout, host: string, other: StackHost): Promise<void> {
  const { value, problems } = readStackJson(layout);
  if (!value) throw new SettingsError(problems);
  const { targetHost: _, ...shared } = other;
  const secrets = { localDir: `secrets/hosts/${host}`, remoteDir: `/var/lib/clawdlets/secrets/hosts/${host}` };
  const entry = { ...shared, flakeHost: host, secrets };
  if (isDeepStrictEqual(hostEntry(value, host), entry)) return;
  const next = { ...value, hosts: { ...value.hosts, [host]: entry } };
  await writePrivateFile(layout.stackJson, `${JSON.stringify(next, null, 2)}\n`);
}
