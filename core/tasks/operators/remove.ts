import { existsSync } from "node:fs";
import { SettingsError, UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { movePrivateFile, removePrivateFile } from "../../base/machine/private-files.ts";
import type { Problem } from "../../base/problem.ts";
import { withoutComment } from "../../base/text/public-key-line.ts";
import { type Operator, operatorFiles, readOperators } from "../../project/secrets/keys/operators.ts";
import { secretNames } from "../../project/secrets/store.ts";
import { adminKeysOf } from "../../project/settings/stack-file.ts";
import { applyChange, type Change, type HostChange, isUnchanged, obstacles, planChange } from "./change.ts";
import { findOperator } from "./directory.ts";
import { ownKeys } from "./list.ts";
import { hostsOf, type OperatorsRequest, type ReadyHost, whileNothingElseRuns } from "./project.ts";

export interface RemoveRequest extends OperatorsRequest {
  name: string;
  /** Also yourself, or the last operator. */
  evenSo: boolean;
  dryRun: boolean;
}

/** One thing that the removed operator may have kept, and how to make it worthless. */
export interface Known {
  host: string;
  /** A secret's name, `age identity` or `ssh host key`. */
  what: string;
  /** How to replace it: a sentence, or a command. */
  fix: string;
}

export interface Removed {
  operator: Operator;
  hosts: HostChange[];
  couldKnow: Known[];
}

/**
 * Locks an operator out of every secret from now on, and of every host that is rebuilt afterwards. What they have read or copied
 * before, they still know. A removal that was cut off is finished by the next one.
 * @throws SettingsError, UserError (usage, busy) before anything is changed
 */
export async function removeOperator(request: RemoveRequest): Promise<Removed> {
  const { layout, name, dryRun, evenSo } = request;
  const { ready } = hostsOf(request);
  const own = await ownKeys(request);
  const remove = async (): Promise<Removed> => {
    const known = readOperators(layout);
    const operator = findOperator(known, name);
    const isYou = operator.recipient === own.recipient;
    const others = known.filter(({ recipient }) => recipient !== operator.recipient);
    if (!evenSo) refuseRisky(name, isYou, others.length === 0);
    const kept = new Set(others.flatMap(({ sshKeys }) => sshKeys.map(withoutComment)));
    const all = [...operator.sshKeys.map(withoutComment), ...(isYou ? own.sshKeys.map(withoutComment) : [])];
    const keys = [...new Set(all)].filter((key) => !kept.has(key));
    const change: Change = { recipients: { remove: operator.recipient }, keys: { remove: keys } };
    const plans: HostChange[] = [];
    for (const host of ready) plans.push(await planChange(layout, host, change));
    const unknown = keys.length > 0 || evenSo ? [] : unrecorded(request, ready, operator, others);
    const problems = [...unknown, ...lockedOut(request, ready, keys), ...(await obstacles(layout, ready, plans))];
    if (problems.length > 0) throw new SettingsError(problems);
    if (!dryRun) {
      for (const host of ready) await applyChange(layout, host, change);
      // Last: until then, the same command finishes what was cut off.
      const same = known.filter(({ recipient }) => recipient === operator.recipient);
      for (const each of same) await deleteFiles(request, each);
    }
    return { operator, hosts: plans.filter((plan) => !isUnchanged(plan)), couldKnow: ready.flatMap(knownOf) };
  };
  return dryRun ? remove() : whileNothingElseRuns(layout, ready, remove);
}

/** The identity is kept beside: with it, `secrets init` would add its owner again, and old backups may need it. */
async function deleteFiles({ layout }: RemoveRequest, { name, recipient }: Operator): Promise<void> {
  const files = operatorFiles(layout, name);
  if (existsSync(files.identity)) {
    await movePrivateFile(files.identity, `${files.identity}.${recipient.slice(0, 12)}.bak`);
  }
  await removePrivateFile(files.sshKeys);
  await removePrivateFile(files.recipient);
}

function refuseRisky(name: string, isYou: boolean, isLast: boolean): void {
  if (!isYou && !isLast) return;
  const problem = isLast
    ? "is the only operator: afterwards only the hosts' own identities could read the secrets."
    : "is you: afterwards this machine could not read the secrets, nor log in to hosts that are rebuilt.";
  throw new UserError(
    { code: "usage", subject: name, problem, fix: "Pass --yes to remove them all the same." },
    { exitCode: exitCodes.usage },
  );
}

/** Without their ssh key, it could stay in the stack files: the recipient alone does not tell which one it is. */
function unrecorded(
  { layout }: RemoveRequest,
  hosts: readonly ReadyHost[],
  { name, recipient }: Operator,
  others: readonly Operator[],
): Problem[] {
  const named = others.flatMap(({ sshKeys }) => sshKeys.map(withoutComment));
  return hosts
    .filter(({ host }) => adminKeysOf(layout, host).some((key) => !named.includes(withoutComment(key))))
    .map(({ host }) => ({
      code: "key-missing",
      subject: `stacks/Pulumi.${host}.yaml`,
      setting: "clawdlets:adminSshKeys",
      problem: `has keys of unknown owners, and no ssh key is recorded for ${name}.`,
      fix: `Record it: clawdlets operator add ${name} --age ${recipient} --ssh-key FILE; or pass --yes if they have none`,
    }));
}

/** Refused even with --yes: a host that nobody can log in to can only be reinstalled. */
function lockedOut({ layout }: RemoveRequest, hosts: readonly ReadyHost[], removed: readonly string[]): Problem[] {
  return hosts.flatMap(({ host }): Problem[] => {
    const left = adminKeysOf(layout, host).filter((key) => !removed.includes(withoutComment(key)));
    if (left.length > 0 || removed.length === 0) return [];
    return [
      {
        code: "no-way-in",
        subject: `stacks/Pulumi.${host}.yaml`,
        setting: "clawdlets:adminSshKeys",
        problem: "has no other key, so nobody could log in any more.",
        fix: "Add another operator first: clawdlets operator add",
      },
    ];
  });
}

/** What every operator could read: all secrets, and the host's private keys, which a handover includes. */
function knownOf({ host, store, required }: ReadyHost): Known[] {
  const kindOf = new Map(required.map(({ name, kind }) => [name, kind]));
  const secrets = secretNames(store).map((name): Known => {
    const edit = `clawdlets secrets edit ${name} --host ${host}`;
    const kind = kindOf.get(name);
    if (kind === "generated") return { host, what: name, fix: `choose a new one: ${edit}` };
    if (kind === "password-hash") return { host, what: name, fix: `choose a new password: ${edit}` };
    const source = kind === "tailscale-auth-key" ? "the tailnet's admin console" : "its provider";
    return { host, what: name, fix: `revoke it at ${source}, then: ${edit}` };
  });
  return [
    ...secrets,
    { host, what: "age identity", fix: `clawdlets secrets rotate --host ${host}` },
    {
      host,
      what: "ssh host key",
      fix: "only a new host replaces it. It lets nobody in, but with it a machine in your tailnet could pretend to be the host",
    },
  ];
}
