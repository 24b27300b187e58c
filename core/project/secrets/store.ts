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
  /** This operator's age identity, which opens every host's secrets too. */
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

/** The names of the secrets that are there, required or not. */
export function secretNames({ folder }: SecretStore): string[] {
  return readFolder(folder).flatMap((name) => /^([^.].*)\.yaml$/.exec(name)?.[1] ?? []);
}

/**
 * Decrypts one secret with the host's identity, or with the operator's where the host's is not on this machine.
 * @returns undefined when there is no such secret
 * @throws UserError when neither opens it
 */
export async function readSecret(store: SecretStore, name: string): Promise<string | undefined> {
  const file = secretFile(store, name);
  if (readPrivateFile(file) === undefined) return undefined;
  const [first, second] = await identitiesHere(store);
  if (first === undefined) {
    throw new UserError(
      {
        subject: file,
        problem: `neither ${store.files.identity} nor ${store.operatorFile} is there to decrypt it.`,
        fix: "Put a backup of one of them back.",
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

/** Files of the identities that may open this host's secrets, its own first. */
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

/**
 * Encrypts one secret under the host's rule and puts it in place whole.
 * @throws UserError when sops took another rule, since the host could then not read what was written
 */
export async function writeSecret(store: SecretStore, name: string, value: string): Promise<void> {
  const file = secretFile(store, name);
  const config = store.layout.sopsConfig;
  const text = await encryptSecret(store.sops, { name, value, config, file });
  const found = recipientsOf(text);
  const left = ruleRecipients(store).filter((recipient) => !found.includes(recipient));
  if (left.length > 0) {
    throw new UserError(
      {
        subject: file,
        problem: `sops took another rule of ${config}, which leaves out ${left.join(", ")}. It takes the first that matches: move the rule of ${store.host} to the top.`,
      },
      { exitCode: exitCodes.settings },
    );
  }
  await writePrivateFile(file, text);
}

/** Four at a time: sops is a process of its own for each file, and machines that run this have few cores. */
export const sopsAtOnce = { concurrency: 4 };

/**
 * Encrypts every secret of the host anew, with another data key, whose recipients are not those of its rule. One that has
 * them stays as it is, so a killed run is finished by the next.
 * @returns the names of the secrets that were encrypted anew
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

/** What the rule of this host in `.sops.yaml` matches: paths as sops sees them, relative to the folder of `.sops.yaml`. */
function ruleOf({ layout, folder }: SecretStore): { pathRegex: string; sample: string } {
  const relativeFolder = relative(layout.secrets, folder);
  return { pathRegex: hostRuleRegex(relativeFolder), sample: `${relativeFolder}/name.yaml` };
}

/** Everybody the rule of this host names now. */
export function ruleRecipients(store: SecretStore): string[] {
  const text = readPublicFile(store.layout.sopsConfig);
  return text === undefined ? [] : recipientsOfHostRule(text, ruleOf(store).pathRegex);
}

/**
 * Who is to be able to read this host's secrets: the host, every operator, and whoever a person has added to its rule.
 * @param hosts recipients of the host's identities; two while it is being rotated
 * @param retired recipients that are to lose it
 */
export function wantedRecipients(
  store: SecretStore,
  { hosts, retired = [] }: { hosts: readonly string[]; retired?: readonly string[] },
): string[] {
  const all = [...hosts, ...operatorRecipients(store.layout), ...ruleRecipients(store)];
  return [...new Set(all)].filter((recipient) => !retired.includes(recipient));
}

/** Makes the host's rule say so; everything else in the file stays. @returns whether it had to be changed */
export async function writeRule(store: SecretStore, recipients: readonly string[]): Promise<boolean> {
  const { sopsConfig } = store.layout;
  const before = readPublicFile(sopsConfig);
  const after = upsertHostRule(before, { ...ruleOf(store), recipients: [...recipients] });
  if (after === before) return false;
  await writePrivateFile(sopsConfig, after);
  return true;
}
