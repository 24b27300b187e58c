import { resolve } from "node:path";
import type { Problem } from "../../base/problem.ts";
import { withoutComment } from "../../base/text/public-key-line.ts";
import { readIdentityFile } from "../../project/secrets/keys/age.ts";
import { operatorIdentityFile, readOperators } from "../../project/secrets/keys/operators.ts";
import { ruleRecipients } from "../../project/secrets/store.ts";
import { readEnvFile } from "../../project/settings/env-file.ts";
import { expandHome } from "../../project/settings/host.ts";
import { readPublicKeyFile } from "../../project/settings/public-key-file.ts";
import { adminKeysOf } from "../../project/settings/stack-file.ts";
import { readStackJson } from "../../project/settings/stack-json/stack-json.ts";
import { hostsOf, type OperatorsRequest } from "./project.ts";

export interface ListedOperator {
  name: string;
  recipient: string;
  /** Without comments. */
  sshKeys: string[];
  /** Whether this machine has their identity. */
  isYou: boolean;
  /** Hosts whose secrets they can read. */
  reads: string[];
  /** Hosts whose stack file lists one of their ssh keys. */
  logsIn: string[];
}

export interface OperatorList {
  operators: ListedOperator[];
  /** Keys that let someone in and that no operator is recorded for. */
  unnamed: { host: string; recipients: string[]; sshKeys: string[] }[];
  problems: Problem[];
}

/** Who can read the secrets of which host, and log in there. Changes nothing. */
export async function listOperators(request: OperatorsRequest): Promise<OperatorList> {
  const { layout } = request;
  const own = await ownKeys(request);
  const hosts = hostsOf(request).ready.map(({ host, store, recipient }) => {
    const sshKeys = adminKeysOf(layout, host).map(withoutComment);
    return { host, recipients: ruleRecipients(store).filter((each) => each !== recipient), sshKeys };
  });
  const operators = readOperators(layout).map(({ name, recipient, sshKeys }): ListedOperator => {
    const isYou = recipient === own.recipient;
    const keys = [...new Set([...sshKeys, ...(isYou ? own.sshKeys : [])].map(withoutComment))];
    const reads = hosts.filter(({ recipients }) => recipients.includes(recipient)).map(({ host }) => host);
    const logsIn = hosts.filter((each) => each.sshKeys.some((key) => keys.includes(key))).map(({ host }) => host);
    return { name, recipient, sshKeys: keys, isYou, reads, logsIn };
  });
  const unnamed = hosts.map(({ host, recipients, sshKeys }) => ({
    host,
    recipients: recipients.filter((each) => operators.every(({ recipient }) => recipient !== each)),
    sshKeys: sshKeys.filter((key) => operators.every((operator) => !operator.sshKeys.includes(key))),
  }));
  const problems = operators.flatMap(({ name, recipient, sshKeys, reads, logsIn }): Problem[] =>
    hosts.flatMap(({ host }) => {
      const lacks = [
        ...(reads.includes(host) ? [] : ["cannot read its secrets"]),
        ...(sshKeys.length === 0 || logsIn.includes(host) ? [] : ["cannot log in"]),
      ];
      if (lacks.length === 0) return [];
      const fix = `Add them again: clawdlets operator add ${name} --age ${recipient} --ssh-key FILE`;
      return [{ code: "wrong-recipient", subject: host, setting: name, problem: `${lacks.join(" and ")}.`, fix }];
    }),
  );
  return { operators, unnamed: unnamed.filter((each) => each.recipients.length + each.sshKeys.length > 0), problems };
}

/** This machine's operator: its age recipient, and the ssh keys that stack.json names. */
export async function ownKeys({ layout, environment }: Pick<OperatorsRequest, "layout" | "environment">) {
  const { value } = readStackJson(layout);
  const env = readEnvFile(layout, environment, value?.envFile).value;
  const file = operatorIdentityFile(layout, env.SOPS_AGE_KEY_FILE);
  const pair = await readIdentityFile(file, "operator");
  const paths = Object.values(value?.hosts ?? {}).map(({ opentofu }) => opentofu.sshPubkeyFile);
  const keys = [...new Set(paths)].flatMap((path) => {
    return readPublicKeyFile(resolve(layout.root, expandHome(path, environment))).value ?? [];
  });
  return { file, recipient: pair?.recipient, sshKeys: [...new Set(keys)] };
}
