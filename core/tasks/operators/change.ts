import { relative } from "node:path";
import { objectionOf } from "../../base/errors.ts";
import { readPrivateFile } from "../../base/machine/private-files.ts";
import type { Problem } from "../../base/problem.ts";
import { checkLocalFolder } from "../../project/hygiene.ts";
import type { Layout } from "../../project/layout.ts";
import { readRotation } from "../../project/secrets/rotation.ts";
import { recipientsOf } from "../../project/secrets/sops/sops.ts";
import {
  readSecret,
  reencryptSecrets,
  ruleRecipients,
  secretFile,
  secretNames,
  wantedRecipients,
  writeRule,
} from "../../project/secrets/store.ts";
import { changeAdminKeys } from "../../project/settings/stack-file.ts";
import type { ReadyHost } from "./project.ts";

/** Whom a change lets in, and whom it locks out. */
export interface Change {
  recipients: { add?: string; remove?: string };
  keys: { add?: readonly string[]; remove?: readonly string[] };
}

/** What a change does to one host's files. */
export interface HostChange {
  host: string;
  /** Whether its rule in `.sops.yaml` changes. */
  rule: boolean;
  /** Secrets that are encrypted again. */
  secrets: string[];
  /** Whether `adminSshKeys` of its stack file changes. */
  keys: boolean;
}

const isSame = (found: readonly string[], wanted: readonly string[]) =>
  found.length === wanted.length && wanted.every((each) => found.includes(each));

function wantedFor({ store, recipient }: ReadyHost, { add, remove }: Change["recipients"]): string[] {
  const retired = remove === undefined ? [] : [remove];
  return wantedRecipients(store, { hosts: [recipient, ...(add === undefined ? [] : [add])], retired });
}

/** What would change. Changes nothing. */
export async function planChange(layout: Layout, ready: ReadyHost, change: Change): Promise<HostChange> {
  const { host, store } = ready;
  const wanted = wantedFor(ready, change.recipients);
  const secrets = secretNames(store).filter(
    (name) => !isSame(recipientsOf(readPrivateFile(secretFile(store, name)) ?? ""), wanted),
  );
  const keys = await changeAdminKeys(layout, host, { ...change.keys, dryRun: true });
  return { host, rule: !isSame(ruleRecipients(store), wanted), secrets, keys };
}

/** Everything that would stop a change halfway: a rotation, files that are exposed, a secret that cannot be read. */
export async function obstacles(layout: Layout, hosts: readonly ReadyHost[], plans: readonly HostChange[]) {
  const problems: Problem[] = await checkLocalFolder(layout);
  for (const { host, store } of hosts) {
    if (readRotation(store)) {
      problems.push({
        code: "rotation-unfinished",
        subject: host,
        setting: "age identity",
        problem: "a rotation is not finished.",
        fix: `Finish it first: clawdlets secrets rotate --host ${host}`,
      });
    }
    for (const name of plans.find((plan) => plan.host === host)?.secrets ?? []) {
      await readSecret(store, name).catch((error: unknown) => {
        const subject = relative(layout.root, secretFile(store, name));
        problems.push({ subject, setting: name, ...objectionOf(error, "secret-unreadable") });
      });
    }
  }
  return problems;
}

/** Makes a planned change to one host's files. The next run finishes what a killed one began. */
export async function applyChange(layout: Layout, ready: ReadyHost, change: Change): Promise<void> {
  await writeRule(ready.store, wantedFor(ready, change.recipients));
  await reencryptSecrets(ready.store);
  await changeAdminKeys(layout, ready.host, change.keys);
}

export const isUnchanged = ({ rule, secrets, keys }: HostChange): boolean => !rule && secrets.length === 0 && !keys;
