import { join, relative } from "node:path";
import pMap from "p-map";
import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { readFolder, readPrivateFile, readPublicFile, writePrivateFile } from "../../base/machine/private-files.ts";
import { type HostLayout, hostLayoutOf, type Layout } from "../layout.ts";
import { readIdentityFile } from "./keys/age.ts";
import { operatorRecipients } from "./keys/operators.ts";
import { decryptSecret, encryptSecret, recipientsOf } from "./sops/sops.ts";
import { hostRuleRegex, recipientsOfHostRule, upsertHostRule } from "./sops/sops-config.ts";

/** The secrets of one host on this machine. */
export interface SecretStore {
  layout: Layout;
  host: string;
  files: HostLayout;
  /** Absolute folder of the sops files: `.clawdlets/secrets/hosts/<host>` unless stack.json says otherwise. */
  folder: string;
  /** This operator's age identity, which also decrypts every host's secrets. */
  operatorFile: string;
  /** `sops`, or its path. */
  sops: string;
}

export function openStore(
  layout: Layout,
  { host, folder, operatorFile, sops }: Pick<SecretStore, "host" | "folder" | "operatorFile" | "sops">,
): SecretStore {
  return { layout, host, files: hostLayoutOf(layout, host), folder, operatorFile, sops };
}

export function secretFile(store: SecretStore, name: string): string {
  return join(store.folder, `${name}.yaml`);
}

/** The names of all secrets that exist, required or not. */
export function secretNames({ folder }: SecretStore): string[] {
  return readFolder(folder).flatMap((name) => /^([^.].*)\.yaml$/.exec(name)?.[1] ?? []);
}

/**
 * Decrypts one secret with the host's identity, or with the operator's if that is not on this machine.
 * @returns undefined if the secret does not exist
 * @throws UserError if neither can decrypt it
 */
export async function readSecret(store: SecretStore, name: string): Promise<string | undefined> {
  const file = secretFile(store, name);
  if (readPrivateFile(file) === undefined) return undefined;
  const [first, second] = await identitiesHere(store);
  if (first === undefined) {
    throw new UserError(
      {
        subject: file,
        problem: `cannot be decrypted: neither ${store.files.identity} nor ${store.operatorFile} exists.`,
        fix: "Restore one of them from a backup.",
      },
      { exitCode: exitCodes.settings },
    );
  }
  try {
    return await decryptSecret(store.sops, { file, name, identityFile: first });
  } catch (error) {
    if (second === undefined) throw error;
    return decryptSecret(store.sops, { file, name, identityFile: second });
  }
}

/** Files of the identities that may decrypt this host's secrets, its own first. */
async function identitiesHere({ files, operatorFile }: SecretStore): Promise<string[]> {
  const found: string[] = [];
  for (const [file, of] of [
    [files.identity, "host"],
    [operatorFile, "operator"],
  ] as const) {
    if (await readIdentityFile(file, of)) found.push(file);
  }
  return found;
}

/** Encrypts one secret under the host's rule and writes it atomically. @throws UserError as {@link encryptFor} */
export async function writeSecret(store: SecretStore, name: string, value: string): Promise<void> {
  await writePrivateFile(secretFile(store, name), await encryptFor(store, name, value));
}

/**
 * Encrypts one secret under the host's rule.
 * @returns the text of its sops file
 * @throws UserError if sops used a different rule: the host could not decrypt the result
 */
export async function encryptFor(store: SecretStore, name: string, value: string): Promise<string> {
  const file = secretFile(store, name);
  const config = store.layout.sopsConfig;
  const text = await encryptSecret(store.sops, { name, value, config, file });
  const found = recipientsOf(text);
  const left = ruleRecipients(store).filter((recipient) => !found.includes(recipient));
  if (left.length === 0) return text;
  throw new UserError(
    {
      subject: file,
      problem: `sops used a different rule of ${config}, which does not have ${left.join(", ")}. It uses the first rule that matches: move the rule of ${store.host} to the top.`,
    },
    { exitCode: exitCodes.settings },
  );
}

/** Four at a time: each file needs a sops process, and operators' machines have few cores. */
export const sopsAtOnce = { concurrency: 4 };

/**
 * Re-encrypts every secret of the host whose recipients differ from those of its rule, with a new data key. Secrets that
 * already match are kept, so the next run finishes what a killed one began.
 * @returns the names of the re-encrypted secrets
 */
export async function reencryptSecrets(store: SecretStore): Promise<string[]> {
  const wanted = ruleRecipients(store);
  const stale = secretNames(store).filter((name) => {
    const found = recipientsOf(readPrivateFile(secretFile(store, name)) ?? "");
    return found.length !== wanted.length || found.some((recipient) => !wanted.includes(recipient));
  });
  await pMap(stale, async (name) => writeSecret(store, name, (await readSecret(store, name)) ?? ""), sopsAtOnce);
  return stale;
}

/** The paths that this host's rule in `.sops.yaml` matches, as sops sees them: relative to the folder of `.sops.yaml`. */
function ruleOf({ layout, folder }: SecretStore): { pathRegex: string; sample: string } {
  const relativeFolder = relative(layout.secrets, folder);
  return { pathRegex: hostRuleRegex(relativeFolder), sample: `${relativeFolder}/name.yaml` };
}

/** The recipients that this host's rule currently has. */
export function ruleRecipients(store: SecretStore): string[] {
  const text = readPublicFile(store.layout.sopsConfig);
  return text === undefined ? [] : recipientsOfHostRule(text, ruleOf(store).pathRegex);
}

/**
 * Everyone who should be able to read this host's secrets: the host, every operator, and recipients added to its rule by hand.
 * @param hosts recipients of the host's identities; two during a rotation
 * @param retired recipients to remove
 */
export function wantedRecipients(
  store: SecretStore,
  { hosts, retired = [] }: { hosts: readonly string[]; retired?: readonly string[] },
): string[] {
  const all = [...hosts, ...operatorRecipients(store.layout), ...ruleRecipients(store)];
  return [...new Set(all)].filter((recipient) => !retired.includes(recipient));
}

/** Sets the recipients of the host's rule and keeps everything else in the file. @returns true if the file changed */
export async function writeRule(store: SecretStore, recipients: readonly string[]): Promise<boolean> {
  const { sopsConfig } = store.layout;
  const before = readPublicFile(sopsConfig);
  const after = upsertHostRule(before, { ...ruleOf(store), recipients: [...recipients] });
  if (after === before) return false;
  await writePrivateFile(sopsConfig, after);
  return true;
}
