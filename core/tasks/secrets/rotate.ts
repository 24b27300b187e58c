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
  /** Sends files to the running host; undefined if it is not installed. */
  deliver: Deliver | undefined;
  /** Prints progress. */
  report: (text: string) => void;
}

export interface RotateResult {
  /** The recipient that was retired. */
  from: string;
  /** The recipient that replaced it. */
  to: string;
  delivered: boolean;
  /** The file with the retired identity, relative to the project; undefined if it was not on this machine. */
  retired: string | undefined;
}

/**
 * Gives a host a new age identity: first everything is encrypted to both identities, then the host gets the new one, and only
 * after it confirms that, the old one is retired. At every moment, the host's identity can decrypt the files on the host, and an
 * identity on this machine those here. The next run finishes what a killed one began.
 * @throws UserError if a secret cannot be read, before anything is changed; later if the host does not answer
 */
export async function rotateIdentity(request: RotateRequest): Promise<RotateResult> {
  const { store } = request;
  return asOnlyWriter(store.layout, async () => {
    const before = readRotation(store);
    if (before) request.report(`finishing the rotation that was started at ${before.startedAt}`);
    const rotation = before ?? (await begin(request));
    if (rotation.step === "both") await handOver(request, rotation);
    return retire(request, rotation);
  });
}

/** First checks everything that could stop the rotation half-way; this reads each secret once. */
async function begin({ store, required }: RotateRequest): Promise<Rotation> {
  const folder = await checkLocalFolder(store.layout);
  const pair = await readIdentityFile(store.files.identity);
  const problems = pair ? [...folder, ...(await checkIdentity(store))] : folder;
  // Including optional ones: all existing secrets are re-encrypted later.
  for (const name of new Set([...required.map((secret) => secret.name), ...secretNames(store)])) {
    if ((await readSecret(store, name)) === undefined) {
      problems.push({
        code: "secret-missing",
        subject: relative(store.layout.root, secretFile(store, name)),
        setting: name,
        problem: "there is no such file.",
        fix: `Create it: clawdlets secrets init --host ${store.host}`,
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
      fix: `Create one: clawdlets secrets init --host ${store.host}`,
    });
  }
  if (problems.length > 0 || from === undefined) throw new SettingsError(problems);
  const to = (await ensureIdentityFile(nextIdentityFile(store))).recipient;
  return writeRotation(store, { version: 1, from, to, step: "both", startedAt: new Date().toISOString() });
}

/** Encrypts all files to both, then sends the host its new identity, and checks which recipient the host reports. */
async function handOver({ store, required, deliver, report }: RotateRequest, rotation: Rotation): Promise<void> {
  const { from, to } = rotation;
  const next = await readIdentityFile(nextIdentityFile(store));
  if (next?.recipient !== to) throw lostIdentity(nextIdentityFile(store), to);
  report("encrypting every secret to the old and the new identity");
  await writeRule(store, wantedRecipients(store, { hosts: [from, to] }));
  await reencryptSecrets(store);
  if (deliver) {
    report("sending the new identity, encrypted to the host's current one");
    // To both: after a run that was killed at this point, the host may already have the new one.
    const identity = await encryptTo([from, to], identityFileText(next));
    const { recipient } = await deliver({ files: ciphertextOf(store, required), identity });
    if (recipient !== to) {
      throw new UserError({
        subject: store.host,
        problem: `the host reports the recipient ${recipient} instead of ${to}. Nothing was retired. Check /var/lib/sops-nix/key.txt there, then run the same command again.`,
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
      problem: `${file} is not the identity of ${recipient}, which the unfinished rotation needs.`,
      fix: "Restore the right file, then run the same command again.",
    },
    { exitCode: exitCodes.settings },
  );
}
