import { relative } from "node:path";
import { SettingsError, UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { movePrivateFile, readPrivateFile, writePrivateFile } from "../../base/machine/private-files.ts";
import { checkLocalFolder } from "../../project/hygiene.ts";
import { asOnlyWriter } from "../../project/project-lock.ts";
import { ciphertextOf } from "../../project/secrets/ciphertext.ts";
import type { Deliver } from "../../project/secrets/deliver.ts";
import { checkIdentity, recipientsKnown } from "../../project/secrets/identity.ts";
import { encryptTo, ensureIdentityFile, identityFileText, readIdentityFile } from "../../project/secrets/keys/age.ts";
import type { RequiredSecret } from "../../project/secrets/plan.ts";
import {
  endRotation,
  nextIdentityFile,
  type Rotation,
  readRotation,
  retiredIdentityFile,
  writeRotation,
} from "../../project/secrets/rotation.ts";
import {
  readSecret,
  reencryptSecrets,
  type SecretStore,
  secretFile,
  secretNames,
  wantedRecipients,
  writeRule,
} from "../../project/secrets/store.ts";
import { addToStackFile } from "../../project/settings/stack-file.ts";

export interface RotateRequest {
  store: SecretStore;
  required: readonly RequiredSecret[];
  /** Brings files to the running host; left out for one that is not installed (yet, or any more). */
  deliver: Deliver | undefined;
  /** What is being done, for a person. */
  report: (text: string) => void;
}

export interface RotateResult {
  /** The recipient that was retired. */
  from: string;
  /** The recipient that took its place. */
  to: string;
  delivered: boolean;
  /** Where the retired identity is kept, relative to the project; undefined when it was not on this machine. */
  retired: string | undefined;
}

/**
 * Gives a host a new age identity: everything is first encrypted to both, then the host gets the new identity, and only
 * when it says that it has it the old one is retired. At every moment the host's own identity opens what is on the host,
 * and one that is on this machine opens what is here; a killed run is finished by the next.
 * @throws UserError before anything is changed when a secret cannot be read; later when the host does not answer
 */
export async function rotateIdentity(request: RotateRequest): Promise<RotateResult> {
  const { store } = request;
  return asOnlyWriter(store.layout, async () => {
    const before = readRotation(store);
    if (before) request.report(`finishing the rotation that was begun at ${before.startedAt}`);
    const rotation = before ?? (await begin(request));
    if (rotation.step === "both") await handOver(request, rotation);
    return retire(request, rotation);
  });
}

/** Everything that could stop it half-way is looked at first: each secret is read once. */
async function begin({ store, required }: RotateRequest): Promise<Rotation> {
  const folder = await checkLocalFolder(store.layout);
  const pair = await readIdentityFile(store.files.identity);
  const problems = pair ? [...folder, ...(await checkIdentity(store))] : folder;
  // Those that are not required too: whatever is there is encrypted anew later.
  for (const name of new Set([...required.map((secret) => secret.name), ...secretNames(store)])) {
    if ((await readSecret(store, name)) === undefined) {
      problems.push({
        code: "secret-missing",
        subject: relative(store.layout.root, secretFile(store, name)),
        setting: name,
        problem: "there is no such file.",
        fix: `Make it: clawdlets secrets init --host ${store.host}`,
      });
    }
  }
  const known = recipientsKnown(store);
  const from = pair?.recipient ?? known.promised ?? known.beside;
  if (from === undefined) {
    problems.push({
      code: "key-missing",
      subject: relative(store.layout.root, store.files.identity),
      setting: "age identity",
      problem: "there is no identity to rotate.",
      fix: `Make one: clawdlets secrets init --host ${store.host}`,
    });
  }
  if (problems.length > 0 || from === undefined) throw new SettingsError(problems);
  const to = (await ensureIdentityFile(nextIdentityFile(store))).recipient;
  return writeRotation(store, { version: 1, from, to, step: "both", startedAt: new Date().toISOString() });
}

/** Files for both, then the new identity for the host; what the host says afterwards is what counts. */
async function handOver({ store, required, deliver, report }: RotateRequest, rotation: Rotation): Promise<void> {
  const { from, to } = rotation;
  const next = await readIdentityFile(nextIdentityFile(store));
  if (next?.recipient !== to) throw lostIdentity(nextIdentityFile(store), to);
  report("encrypting every secret to the old and the new identity");
  await writeRule(store, wantedRecipients(store, { hosts: [from, to] }));
  await reencryptSecrets(store);
  if (deliver) {
    report("handing the new identity over, encrypted to the one the host has");
    // To both: a run that was killed after the hand-over finds the host with the new one already.
    const identity = await encryptTo([from, to], identityFileText(next));
    const { recipient } = await deliver({ files: ciphertextOf(store, required), identity });
    if (recipient !== to) {
      throw new UserError({
        subject: store.host,
        problem: `the host says that its recipient is ${recipient}, not ${to}. Nothing was retired; look at /var/lib/sops-nix/key.txt there, then run this again.`,
      });
    }
  }
  await writeRotation(store, { ...rotation, step: "new" });
}

async function retire({ store, required, deliver, report }: RotateRequest, rotation: Rotation): Promise<RotateResult> {
  const { from, to } = rotation;
  const { files } = store;
  report("retiring the old identity");
  const kept = retiredIdentityFile(store, from);
  const old = await readIdentityFile(files.identity);
  if (old?.recipient === from) await writePrivateFile(kept, identityFileText(old));
  if (old?.recipient !== to) await movePrivateFile(nextIdentityFile(store), files.identity);
  if ((await readIdentityFile(files.identity))?.recipient !== to) throw lostIdentity(files.identity, to);
  await writePrivateFile(files.recipient, `${to}\n`);
  await addToStackFile(store.layout, store.host, { ageRecipient: to }, ["ageRecipient"]);
  await writeRule(store, wantedRecipients(store, { hosts: [to], retired: [from] }));
  await reencryptSecrets(store);
  if (deliver) await deliver({ files: ciphertextOf(store, required) });
  await endRotation(store);
  const isKept = readPrivateFile(kept) !== undefined;
  return {
    from,
    to,
    delivered: deliver !== undefined,
    retired: isKept ? relative(store.layout.root, kept) : undefined,
  };
}

function lostIdentity(file: string, recipient: string): UserError {
  return new UserError(
    {
      subject: "",
      problem: `${file} is not the identity of ${recipient}, which the unfinished rotation is about.`,
      fix: "Put the right file back, then run this again.",
    },
    { exitCode: exitCodes.settings },
  );
}
