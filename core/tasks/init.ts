import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { relative } from "node:path";
import pMap from "p-map";
import { objectionOf, SettingsError } from "../base/errors.ts";
import { makePrivateFolder, readPublicFile, writePrivateFile } from "../base/machine/private-files.ts";
import { ensureSshKey, publicKeyOf } from "../base/machine/ssh-keys.ts";
import type { Objection, Problem } from "../base/problem.ts";
import { ensureBootstrapKeys } from "../host/install/bootstrap-keys.ts";
import { checkLocalFolder } from "../project/hygiene.ts";
import type { Layout } from "../project/layout.ts";
import { asOnlyWriter } from "../project/project-lock.ts";
import { checkIdentity } from "../project/secrets/identity.ts";
import { ensureIdentityFile } from "../project/secrets/keys/age.ts";
import { ensureOperator } from "../project/secrets/keys/operators.ts";
import { ensureSystemKey } from "../project/secrets/keys/system-key.ts";
import { type RequiredSecret, unknownSecret, valueProblem } from "../project/secrets/plan.ts";
import { readRotation } from "../project/secrets/rotation.ts";
import {
  readSecret,
  reencryptSecrets,
  type SecretStore,
  secretFile,
  sopsAtOnce,
  wantedRecipients,
  writeRule,
  writeSecret,
} from "../project/secrets/store.ts";
import type { StackConfig } from "../project/settings/stack-config/stack-config.ts";
import { addToStackFile, readRawStackFile } from "../project/settings/stack-file.ts";
import { lostPassphrase } from "../project/state/passphrase.ts";

export interface InitRequest {
  store: SecretStore;
  required: readonly RequiredSecret[];
  /** Plaintext by secret name, from a prompt or standard input; encrypted at once and never stored. */
  values: Readonly<Record<string, string>>;
  /** Missing tokens and texts get {@link placeholder}, which every check before a purchase or a delivery refuses. @default false */
  allowPlaceholders?: boolean;
  /** Replace existing values with different ones given here. */
  overwrite: boolean;
  /** Settings to add to the stack file if missing. */
  settings: Partial<Record<keyof StackConfig, unknown>>;
}

/** Files to create and to change, relative to the project. */
export interface InitPlan {
  make: string[];
  change: string[];
  /** Names of secrets that get a placeholder. */
  placeholders: string[];
}

/** As upstream's. */
const placeholder = "<FILL_ME>";

/** The secrets that are missing and may have a placeholder: a host cannot be installed without its password and auth key. */
export function placeholdersFor({
  store,
  required,
  values,
  allowPlaceholders,
}: Pick<InitRequest, "store" | "required" | "values" | "allowPlaceholders">): string[] {
  if (!allowPlaceholders) return [];
  const missing = required.filter(({ name }) => values[name] === undefined && !existsSync(secretFile(store, name)));
  return missing.filter(({ kind }) => kind === "token" || kind === "text").map(({ name }) => name);
}

/**
 * Plans {@link initSecrets}. Changes nothing.
 * @throws SettingsError with everything that prevents it
 */
export async function planSecrets(request: InitRequest): Promise<InitPlan> {
  const { store, required, values } = request;
  const lost = lostPassphrase(store.layout, store.host);
  const problems = [
    ...(await checkLocalFolder(store.layout)),
    ...(lost ? [lost] : []),
    ...(await checkIdentity(store)),
    ...checkValues(request),
  ];
  if (readRotation(store)) {
    problems.push({
      code: "rotation-unfinished",
      subject: relativePath(store, store.files.identity),
      setting: "age identity",
      problem: "a rotation is not finished.",
      fix: `Finish it first: clawdlets secrets rotate --host ${store.host}`,
    });
  }
  const change: string[] = [];
  for (const name of Object.keys(values).filter((each) => existsSync(secretFile(store, each)))) {
    const file = relativePath(store, secretFile(store, name));
    const same = await isSame(store, name, values[name] ?? "");
    if (same === true) continue;
    if (same === false && !request.overwrite) {
      problems.push({
        code: "secret-exists",
        subject: file,
        setting: name,
        problem: "already has a different value.",
        fix: "Pass --yes to overwrite it, or change it: clawdlets secrets edit",
      });
    } else if (same !== false && !request.overwrite) {
      problems.push({ subject: file, setting: name, ...same, fix: "Pass --yes to overwrite it." });
    } else change.push(file);
  }
  if (problems.length > 0) throw new SettingsError(problems);
  const files = [
    store.layout.passphrase,
    store.operatorFile,
    store.files.identity,
    store.files.recipient,
    store.files.hostKey,
    store.files.bootstrapClientKey,
    ...(namesSystemKeys(store) ? [] : [store.layout.systemKeys]),
    store.layout.sopsConfig,
    ...required.map(({ name }) => secretFile(store, name)),
    store.files.stackFile,
  ];
  const make = files.filter((file) => !existsSync(file)).map((file) => relativePath(store, file));
  return { make, change, placeholders: placeholdersFor(request) };
}

/**
 * Creates whatever one host is still missing: keys, passphrase, encrypted secrets, and the public keys in its stack file. Keeps
 * what exists (idempotent), so it can be run again at any time, also after it was killed at any step.
 * @returns what was created and what was changed
 * @throws SettingsError with everything that is missing or wrong, before anything is written
 */
export async function initSecrets(request: InitRequest): Promise<InitPlan> {
  const { store } = request;
  makePrivateFolder(store.layout.dir);
  return asOnlyWriter(store.layout, async () => {
    const plan = await planSecrets(request);
    const { layout, files, host } = store;
    makePrivateFolder(layout.state);
    await ensurePassphrase(layout);
    await ensureOperator(layout, store.operatorFile);
    const identity = await ensureIdentityFile(files.identity);
    if (readPublicFile(files.recipient) === undefined)
      await writePrivateFile(files.recipient, `${identity.recipient}\n`);
    await ensureSshKey(files.hostKey, host);
    await ensureBootstrapKeys(files, host);
    await writeRule(store, wantedRecipients(store, { hosts: [identity.recipient] }));
    await writeValues(request, plan);
    // New operators, and recipients added by hand, should also be able to read existing secrets.
    const reencrypted = await reencryptSecrets(store);
    const systemKeys = namesSystemKeys(store) ? undefined : [(await ensureSystemKey(layout)).publicKey];
    const facts = {
      systemKeys,
      ageRecipient: identity.recipient,
      sshHostKey: publicKeyOf(files.hostKey),
      ...request.settings,
    };
    const changed = await addToStackFile(layout, host, facts);
    const stackFile = relativePath(store, files.stackFile);
    const isChanged = changed.length > 0 && !plan.make.includes(stackFile);
    const change = [...plan.change, ...reencrypted.map((name) => relativePath(store, secretFile(store, name)))];
    return { ...plan, change: [...change, ...(isChanged ? [stackFile] : [])] };
  });
}

/** Then they stay: they may be another operator's. */
const namesSystemKeys = ({ layout, host }: SecretStore) => readRawStackFile(layout, host)["systemKeys"] !== undefined;

async function writeValues({ store, required, values }: InitRequest, plan: InitPlan): Promise<void> {
  const made = required.filter(({ kind, name }) => kind === "generated" && !existsSync(secretFile(store, name)));
  const generated = Object.fromEntries(made.map(({ name }) => [name, randomToken()]));
  const later = Object.fromEntries(plan.placeholders.map((name) => [name, placeholder]));
  const given = Object.entries({ ...generated, ...later, ...values }).filter(([name]) => {
    const file = secretFile(store, name);
    return !existsSync(file) || plan.change.includes(relativePath(store, file));
  });
  await pMap(given, ([name, value]) => writeSecret(store, name, value), sopsAtOnce);
}

function checkValues(request: InitRequest): Problem[] {
  const { store, required, values } = request;
  const problems: Problem[] = [];
  const later = placeholdersFor(request);
  for (const [name, value] of Object.entries(values)) {
    const secret = required.find((each) => each.name === name);
    const objection = secret ? valueProblem(secret, value) : unknownSecret(name, required);
    if (objection) problems.push({ subject: "the given values", setting: name, ...objection });
  }
  for (const { name, kind, purpose, example } of required) {
    if (kind === "generated" || later.includes(name)) continue;
    if (values[name] !== undefined || existsSync(secretFile(store, name))) continue;
    problems.push({
      code: "secret-missing",
      subject: relativePath(store, secretFile(store, name)),
      setting: name,
      problem: `missing: ${purpose} (${example}).`,
      fix: "Pass it with --from-json, or run this on a terminal to be prompted.",
    });
  }
  return problems;
}

/** True if the existing secret has this value; an objection if it cannot be read. */
async function isSame(store: SecretStore, name: string, value: string): Promise<boolean | Objection> {
  try {
    return (await readSecret(store, name)) === value;
  } catch (error) {
    return objectionOf(error, "secret-unreadable");
  }
}

async function ensurePassphrase(layout: Layout): Promise<void> {
  if (existsSync(layout.passphrase)) return;
  await writePrivateFile(layout.passphrase, `${randomToken()}\n`);
}

const randomToken = () => randomBytes(32).toString("base64url");

const relativePath = ({ layout }: SecretStore, file: string) => relative(layout.root, file);
