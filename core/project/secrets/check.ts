import { join, relative } from "node:path";
import pMap from "p-map";
import { objectionOf } from "../../base/errors.ts";
import { readPrivateFile } from "../../base/machine/private-files.ts";
import type { Objection, Problem } from "../../base/problem.ts";
import type { HostLayout, Layout } from "../layout.ts";
import { checkIdentity } from "./identity.ts";
import { readIdentityFile } from "./keys/age.ts";
import { type RequiredSecret, valueProblem } from "./plan.ts";
import { decryptSecret, recipientsOf, thresholdProblem } from "./sops/sops.ts";
import { sopsAtOnce } from "./store.ts";

export interface SecretsToCheck {
  layout: Layout;
  host: HostLayout;
  hostName: string;
  /** The recipient from the stack file. */
  recipient: string;
  secretsDir: string;
  required: readonly RequiredSecret[];
  /** `sops`, or its path. */
  sops: string;
  /** Further identities that have to decrypt every secret, e.g. the operator's. @default none */
  alsoBy?: readonly string[];
}

/** The result of checking one required secret. */
export interface SecretFinding {
  name: string;
  /** Relative to the project. */
  file: string;
  status: "ok" | "missing" | "wrong";
  /** Omitted if nothing is wrong. */
  objection?: Objection;
}

/**
 * Proves that the installed host will be able to read every secret it needs: the identity exists, is private, matches the
 * recipient in the stack file, and decrypts each file, which has a well-formed value under the right key.
 * Plaintext is discarded at once.
 * @returns all problems, not just the first
 */
export async function checkHostSecrets(check: SecretsToCheck): Promise<Problem[]> {
  const identity = await checkHostIdentity(check);
  if (identity.length > 0) return identity;
  const found = await checkSecrets(check);
  return found.flatMap(problemOf);
}

/** The identity half of {@link checkHostSecrets}. */
export async function checkHostIdentity(check: SecretsToCheck): Promise<Problem[]> {
  const { layout, host, hostName, recipient } = check;
  const where = relative(layout.root, host.identity);
  const problems = await checkIdentity({ layout, host: hostName, files: host });
  if (problems.length > 0) return problems;
  const pair = await readIdentityFile(host.identity);
  if (!pair) {
    return [
      {
        code: "key-missing",
        subject: where,
        setting: "age identity",
        problem: "there is no such file.",
        fix: `Create what is missing: clawdlets secrets init --host ${hostName}`,
      },
    ];
  }
  if (pair.recipient === recipient) return [];
  return [
    {
      code: "key-mismatch",
      subject: where,
      setting: "age identity",
      problem: `is the private half of ${pair.recipient}, but the stack's recipient is ${recipient}.`,
      fix: "Restore the right key file, or fix the stack file.",
    },
  ];
}

/** The secrets half of {@link checkHostSecrets}: one finding per required secret, in the same order. */
export async function checkSecrets(check: SecretsToCheck): Promise<SecretFinding[]> {
  return pMap(check.required, (secret) => checkSecret(check, secret), sopsAtOnce);
}

/**
 * Checks that need no private key: each file exists and is encrypted to the recipient in the stack file. For previews,
 * which have to be fast and must not need a key.
 */
export function checkRecipients(check: Omit<SecretsToCheck, "sops" | "alsoBy">): Problem[] {
  return check.required.flatMap((secret) => problemOf(readCiphertext(check, secret)));
}

/** A finding as a problem of its file. @returns an empty list if nothing is wrong */
export function problemOf({ name, file, objection }: SecretFinding): Problem[] {
  return objection ? [{ subject: file, setting: name, ...objection }] : [];
}

async function checkSecret(check: SecretsToCheck, secret: RequiredSecret): Promise<SecretFinding> {
  const finding = readCiphertext(check, secret);
  if (finding.status !== "ok") return finding;
  const file = join(check.secretsDir, `${secret.name}.yaml`);
  try {
    for (const identityFile of [check.host.identity, ...(check.alsoBy ?? [])]) {
      const value = await decryptSecret(check.sops, { file, name: secret.name, identityFile });
      const wrong = valueProblem(secret, value);
      if (wrong) {
        const fix = [wrong.fix, editWith(check, secret)].filter((each) => each !== undefined).join(" ");
        return { ...finding, status: "wrong", objection: { ...wrong, fix } };
      }
    }
    return finding;
  } catch (error) {
    return { ...finding, status: "wrong", objection: objectionOf(error, "secret-unreadable") };
  }
}

function readCiphertext(
  { layout, hostName, recipient, secretsDir }: Omit<SecretsToCheck, "sops">,
  secret: RequiredSecret,
): SecretFinding {
  const path = join(secretsDir, `${secret.name}.yaml`);
  const finding = { name: secret.name, file: relative(layout.root, path) };
  const make = `Create it: clawdlets secrets init --host ${hostName}`;
  try {
    const text = readPrivateFile(path);
    if (text === undefined) {
      const objection: Objection = { code: "secret-missing", problem: `missing: ${secret.purpose}.`, fix: make };
      return { ...finding, status: "missing", objection };
    }
    const threshold = thresholdProblem(text);
    if (threshold !== undefined) {
      const objection: Objection = {
        code: "secret-unreadable",
        problem: `it ${threshold}.`,
        fix: `Put all recipients of .clawdlets/secrets/.sops.yaml's rule into one key group, and encrypt it again: clawdlets secrets edit ${secret.name} --host ${hostName}`,
      };
      return { ...finding, status: "wrong", objection };
    }
    const found = recipientsOf(text);
    if (found.includes(recipient)) return { ...finding, status: "ok" };
    const who = found.join(", ") || "no one: it is not a sops file";
    const objection: Objection = {
      code: "wrong-recipient",
      problem: `not encrypted to this host's recipient ${recipient}, but to ${who}.`,
      fix: `Encrypt it again: clawdlets secrets init --host ${hostName}`,
    };
    return { ...finding, status: "wrong", objection };
  } catch (error) {
    return { ...finding, status: "wrong", objection: objectionOf(error, "secret-unreadable") };
  }
}

const editWith = ({ hostName }: SecretsToCheck, { name }: RequiredSecret) =>
  `Change it: clawdlets secrets edit ${name} --host ${hostName}`;
