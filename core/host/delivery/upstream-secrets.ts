import { lstatSync } from "node:fs";
import { join, posix, relative } from "node:path";
import { objectionOf } from "../../base/errors.ts";
import { readPrivateFile } from "../../base/machine/private-files.ts";
import type { Objection, Problem } from "../../base/problem.ts";
import type { HostLayout, Layout } from "../../project/layout.ts";
import { type AgeKeyPair, readIdentityFile } from "../../project/secrets/keys/age.ts";
import { type RequiredSecret, valueProblem } from "../../project/secrets/plan.ts";
import { decryptSecret, recipientsOf } from "../../project/secrets/sops/sops.ts";
import type { LocalSettings } from "../../project/settings/host.ts";
import { ageKeyPath, ownPathsOf, secretPath } from "./extra-files.ts";
import { readUpstreamTree, type UpstreamTree } from "./upstream-extra-files.ts";

/** Where each secret of a host comes from: the local folder or upstream's tree. The local one always wins. */
export interface SecretSources {
  tree: UpstreamTree;
  /** Normalised like the paths in the tree: no `..`, no trailing slash. */
  remoteSecretsDir: string;
  /** Required, and in the local folder or missing. */
  local: RequiredSecret[];
  /** Required, and only in the tree; with its file there. */
  fromTree: { name: string; file: string; secret: RequiredSecret }[];
  /** In both: the local file is sent, required or not. */
  both: { name: string; file: string; localFile: string; isRequired: boolean }[];
}

export function readSecretSources(
  layout: Layout,
  host: HostLayout,
  { secretsDir, ...local }: Pick<LocalSettings, "secretsDir" | "remoteSecretsDir">,
  required: readonly RequiredSecret[],
): SecretSources {
  const remoteSecretsDir = posix.normalize(`${local.remoteSecretsDir}/`).slice(0, -1);
  const names = required.map(({ name }) => name);
  const tree = readUpstreamTree(layout, host, ownPathsOf(remoteSecretsDir, names));
  const localFile = (name: string) => join(secretsDir, `${name}.yaml`);
  const isLocal = (name: string) => lstatSync(localFile(name), { throwIfNoEntry: false }) !== undefined;
  const inTree = [...tree.entries.values()]
    .filter(({ path, content }) => content !== null && path === secretPath(remoteSecretsDir, nameIn(path)))
    .map(({ path }) => ({ name: nameIn(path), file: join(host.extraFiles, path) }));
  const fromTree = inTree.flatMap(({ name, file }) => {
    const secret = required.find((each) => each.name === name);
    return secret && !isLocal(name) ? [{ name, file, secret }] : [];
  });
  return {
    tree,
    remoteSecretsDir,
    local: required.filter((secret) => fromTree.every(({ name }) => name !== secret.name)),
    fromTree,
    both: inTree
      .filter(({ name }) => isLocal(name))
      .map((each) => ({ ...each, localFile: localFile(each.name), isRequired: names.includes(each.name) })),
  };
}

const nameIn = (path: string) => posix.basename(path, ".yaml");

export interface SourcesToCheck {
  layout: Layout;
  host: HostLayout;
  /** The age recipient declared in the stack file. */
  recipient: string;
  /** Absolute path of sops. */
  sops: string;
}

/**
 * Checks the secrets from the tree as checkHostSecrets checks the local folder.
 * @returns every problem, not only the first
 */
export async function checkSecretSources(sources: SecretSources, check: SourcesToCheck): Promise<Problem[]> {
  const pair = await readIdentityFile(check.host.identity).catch(() => "broken" as const);
  // Nothing can be decrypted without the right identity, which checkHostSecrets already reports.
  const canOpen = typeof pair === "object" && pair.recipient === check.recipient;
  const unasked = sources.both.filter(({ isRequired }) => !isRequired);
  const files = [...sources.fromTree, ...unasked.map(({ name, localFile }) => ({ name, file: localFile }))];
  const judged = await Promise.all([
    pair === "broken" ? [] : checkIdentity(sources, check, pair),
    ...files.map((each) => checkSecretFile(check, each, canOpen)),
  ]);
  const stale = sources.both.flatMap(({ name, file, localFile }): Problem[] => {
    const found = recipientsOf(String(sources.tree.entries.get(secretPath(sources.remoteSecretsDir, name))?.content));
    if (found.includes(check.recipient)) return [];
    const sent = relative(check.layout.root, localFile);
    return [
      {
        code: "wrong-recipient",
        subject: relative(check.layout.root, file),
        setting: name,
        problem: `${encryptedTo(found, check).problem} ${sent} is sent instead.`,
        fix: "Remove the one that is out of date.",
      },
    ];
  });
  return [...sources.tree.problems, ...judged.flat(), ...stale];
}

/** The host gets the identity in `.clawdlets/secrets`. If the tree has a different one, one of the two is wrong. */
async function checkIdentity(
  { tree }: SecretSources,
  { layout, host, recipient }: SourcesToCheck,
  pair: AgeKeyPair | undefined,
): Promise<Problem[]> {
  if ((tree.entries.get(ageKeyPath)?.content ?? null) === null) return [];
  const file = join(host.extraFiles, ageKeyPath);
  const [where, local] = [relative(layout.root, file), relative(layout.root, host.identity)];
  const problem = (objection: Objection): Problem[] => [{ subject: where, setting: "age identity", ...objection }];
  let other: AgeKeyPair | undefined;
  try {
    other = await readIdentityFile(file);
  } catch (error) {
    return problem(objectionOf(error, "key-invalid"));
  }
  if (!other || other.recipient === pair?.recipient) return [];
  const take = `install -m 600 '${where}' '${local}'`;
  const is = `is the private half of ${other.recipient}, but`;
  if (!pair)
    return problem({ code: "key-mismatch", problem: `${is} there is no ${local}.`, fix: `To use it: ${take}` });
  const command = other.recipient === recipient ? take : `rm '${where}'`;
  return problem({
    code: "key-mismatch",
    problem: `${is} ${local} is that of ${pair.recipient}.`,
    fix: `clawdlets:ageRecipient is ${recipient}, so: ${command}`,
  });
}

async function checkSecretFile(
  check: SourcesToCheck,
  { name, file, secret }: { name: string; file: string; secret?: RequiredSecret },
  canOpen: boolean,
): Promise<Problem[]> {
  const problem = (objection: Objection) => [
    { subject: relative(check.layout.root, file), setting: name, ...objection },
  ];
  try {
    const found = recipientsOf(readPrivateFile(file) ?? "");
    if (!found.includes(check.recipient)) return problem(encryptedTo(found, check));
    if (!canOpen) return [];
    const value = await decryptSecret(check.sops, { file, name, identityFile: check.host.identity });
    const wrong = secret && valueProblem(secret, value);
    return wrong ? problem(wrong) : [];
  } catch (error) {
    return problem(objectionOf(error, "secret-unreadable"));
  }
}

function encryptedTo(found: readonly string[], { recipient }: SourcesToCheck): Objection {
  const problem = `not encrypted to this host's recipient ${recipient}, but to ${found.join(", ") || "nobody"}.`;
  return { code: "wrong-recipient", problem };
}
