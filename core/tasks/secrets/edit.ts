import { relative } from "node:path";
import { SettingsError } from "../../base/errors.ts";
import type { Objection } from "../../base/problem.ts";
import { checkLocalFolder } from "../../project/hygiene.ts";
import { asOnlyWriter } from "../../project/project-lock.ts";
import { checkIdentity } from "../../project/secrets/identity.ts";
import { readIdentityFile } from "../../project/secrets/keys/age.ts";
import { type RequiredSecret, unknownSecret, valueProblem } from "../../project/secrets/plan.ts";
import { readRotation } from "../../project/secrets/rotation.ts";
import {
  readSecret,
  type SecretStore,
  secretFile,
  secretNames,
  wantedRecipients,
  writeRule,
  writeSecret,
} from "../../project/secrets/store.ts";

export interface EditRequest {
  store: SecretStore;
  required: readonly RequiredSecret[];
  name: string;
  /** Returns the new value, given the old one (undefined if there is none yet). */
  change: (old: string | undefined) => string | Promise<string>;
}

/**
 * Changes the value of one secret of one host.
 * @returns true if the value changed
 * @throws SettingsError before anything is changed
 */
export async function editSecret({ store, required, name, change }: EditRequest): Promise<boolean> {
  const where = relative(store.layout.root, secretFile(store, name));
  const refuse = (objection: Objection) => new SettingsError([{ subject: where, setting: name, ...objection }]);
  const planned = required.find((each) => each.name === name);
  if (!planned && !secretNames(store).includes(name)) throw refuse(unknownSecret(name, required));
  return asOnlyWriter(store.layout, async () => {
    const problems = [...(await checkLocalFolder(store.layout)), ...(await checkIdentity(store))];
    if (problems.length > 0) throw new SettingsError(problems);
    const pair = await readIdentityFile(store.files.identity);
    if (!pair) {
      throw refuse({
        code: "key-missing",
        problem: "this host has no age identity yet.",
        fix: `Create it: clawdlets secrets init --host ${store.host}`,
      });
    }
    const old = await readSecret(store, name);
    const value = await change(old);
    const problem = valueProblem(planned ?? { kind: "text" }, value);
    if (problem) throw refuse(problem);
    if (value === old) return false;
    const rotation = readRotation(store);
    const hosts = rotation ? [rotation.from, rotation.to] : [pair.recipient];
    await writeRule(store, wantedRecipients(store, { hosts }));
    await writeSecret(store, name, value);
    return true;
  });
}
