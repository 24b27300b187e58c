import { Encrypter } from "age-encryption";
import { SettingsError } from "../../base/errors.ts";
import { writePrivateFile } from "../../base/machine/private-files.ts";
import type { Problem } from "../../base/problem.ts";
import { isPublicKeyLine } from "../../base/public-key.ts";
import { withoutComment } from "../../base/text/public-key-line.ts";
import { safeText } from "../../base/wording.ts";
import { type Operator, operatorFiles, readOperators } from "../../project/secrets/keys/operators.ts";
import { ageRecipient } from "../../project/settings/names.ts";
import { readPublicKeyFile } from "../../project/settings/public-key-file.ts";
import { applyChange, type Change, type HostChange, isUnchanged, obstacles, planChange } from "./change.ts";
import { ownKeys } from "./list.ts";
import { hostsOf, type OperatorsRequest, type ReadyHost, whileNothingElseRuns } from "./project.ts";

export interface AddRequest extends OperatorsRequest {
  name: string;
  recipient: string;
  /** Key lines, or absolute paths of public key files. */
  sshKeys: readonly string[];
  dryRun: boolean;
}

export interface Added {
  operator: Operator;
  /** False if everything was as asked for already. */
  changed: boolean;
  hosts: HostChange[];
  /** Hosts without keys so far: `secrets init` makes those for all operators. */
  later: string[];
}

/** A file name, and safe to type. */
const namePattern = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,31}$/;

/**
 * Lets another operator read every host's secrets, and log in to every host that is rebuilt afterwards. An addition that was cut off
 * is finished by the next one.
 * @throws SettingsError with everything that is wrong, UserError (busy); either before anything is changed
 */
export async function addOperator(request: AddRequest): Promise<Added> {
  const { layout, name, recipient, dryRun } = request;
  const sshKeys = checkedKeys(request.sshKeys);
  const operator: Operator = { name, recipient, sshKeys: sshKeys.values };
  const wrong = [...checkName(name), ...checkRecipient(recipient), ...sshKeys.problems];
  if (wrong.length > 0) throw new SettingsError(wrong);
  const { ready, later } = hostsOf(request);
  const add = async (): Promise<Added> => {
    const known = readOperators(layout);
    const change: Change = { recipients: { add: recipient }, keys: { add: operator.sshKeys } };
    const plans: HostChange[] = [];
    for (const host of ready) plans.push(await planChange(layout, host, change));
    const problems = [...clashes(operator, known, ready), ...(await obstacles(layout, ready, plans))];
    if (problems.length > 0) throw new SettingsError(problems);
    const isKnown = known.some((each) => each.name === name && hasKeys(each, operator.sshKeys));
    const changed = !isKnown || !plans.every(isUnchanged);
    if (changed && !dryRun) {
      const files = operatorFiles(layout, name);
      await writePrivateFile(files.recipient, `${recipient}\n`);
      await writePrivateFile(files.sshKeys, `${operator.sshKeys.join("\n")}\n`);
      await recordOwn(request, known);
      for (const host of ready) await applyChange(layout, host, change);
    }
    return { operator, changed, hosts: plans.filter((plan) => !isUnchanged(plan)), later };
  };
  return dryRun ? add() : whileNothingElseRuns(layout, ready, add);
}

/** This operator's own ssh keys, so that a colleague knows which ones to remove one day. `init` records the recipient alone. */
export async function recordOwn(request: OperatorsRequest, known: readonly Operator[]): Promise<void> {
  const own = await ownKeys(request);
  const others = known.filter(({ recipient }) => recipient !== own.recipient).flatMap(({ sshKeys }) => sshKeys);
  for (const { name } of known.filter(
    ({ recipient, sshKeys }) => recipient === own.recipient && sshKeys.length === 0,
  )) {
    const keys = own.sshKeys.filter((key) => others.every((each) => withoutComment(each) !== withoutComment(key)));
    if (keys.length > 0) await writePrivateFile(operatorFiles(request.layout, name).sshKeys, `${keys.join("\n")}\n`);
  }
}

const hasKeys = ({ sshKeys }: Operator, wanted: readonly string[]) =>
  sshKeys.length === wanted.length && wanted.every((key) => sshKeys.includes(key));

function checkName(name: string): Problem[] {
  if (namePattern.test(name)) return [];
  return [
    {
      code: "invalid-value",
      subject: "the command line",
      setting: "name",
      problem: `"${safeText(name, 60)}" is not an operator's name; allowed: a letter, digit or "_", then up to 31 of these, ".", "_" and "-".`,
    },
  ];
}

function checkRecipient(recipient: string): Problem[] {
  const problem = (text: string): Problem[] => [
    {
      code: "key-invalid",
      subject: "the command line",
      setting: "--age",
      problem: text,
      fix: "On their machine: clawdlets operator join",
    },
  ];
  if (/AGE-(?:SECRET-KEY|PLUGIN)-/i.test(recipient)) {
    return problem("is a private key, which its owner has to replace now. Allowed: the public half, age1….");
  }
  if (!ageRecipient.safeParse(recipient).success) {
    return problem(`"${safeText(recipient, 80)}" is malformed; allowed: age1 and 58 letters and digits.`);
  }
  try {
    new Encrypter().addRecipient(recipient);
    return [];
  } catch {
    return problem(`"${recipient}" has a wrong checksum, so a character was lost or changed.`);
  }
}

function checkedKeys(given: readonly string[]): { values: string[]; problems: Problem[] } {
  const values: string[] = [];
  const problems: Problem[] = [];
  for (const key of given) {
    const isLine = /^(?:ssh|ecdsa|sk)-\S+\s/.test(key);
    const line = key.trim().replaceAll(/[ \t]+/g, " ");
    if (isLine && isPublicKeyLine(line)) values.push(line);
    else if (isLine) {
      const fix =
        'Allowed: one OpenSSH public key line, e.g. "ssh-ed25519 AAAA… bea@laptop", or the path of a .pub file.';
      problems.push({
        code: "key-invalid",
        subject: "the command line",
        setting: "--ssh-key",
        problem: "is not a whole OpenSSH public key.",
        fix,
      });
    } else if (key.includes("PRIVATE KEY") || key.includes("\n")) {
      const problem = "is not the path of a public key file, nor one public key line.";
      problems.push({ code: "key-invalid", subject: "the command line", setting: "--ssh-key", problem });
    } else {
      const read = readPublicKeyFile(key, "--ssh-key");
      problems.push(...read.problems);
      if (read.value !== undefined) values.push(read.value);
    }
  }
  const seen = new Map(values.map((value) => [withoutComment(value), value]));
  return { values: [...seen.values()], problems };
}

/** Two operators with one key could not be removed one by one, and a host's own key is nobody's. */
function clashes(operator: Operator, known: readonly Operator[], hosts: readonly ReadyHost[]): Problem[] {
  const { name, recipient, sshKeys } = operator;
  const problem = (setting: string, text: string, fix: string): Problem => {
    return { code: "not-unique", subject: `operator ${name}`, setting, problem: text, fix };
  };
  const problems: Problem[] = [];
  const same = known.find((each) => each.name === name);
  if (same && same.recipient !== recipient) {
    const fix = `For a new key, remove the old one first: clawdlets operator remove ${name}; otherwise choose another name.`;
    problems.push(problem("--age", `the name belongs to ${same.recipient}.`, fix));
  }
  const others = known.filter((each) => each.name !== name);
  const holder = others.find((each) => each.recipient === recipient);
  if (holder) problems.push(problem("--age", `the recipient is that of ${holder.name}.`, "Ask them for their own."));
  const host = hosts.find((each) => each.recipient === recipient);
  if (host)
    problems.push(problem("--age", `the recipient is that of the host ${host.host}.`, "Ask them for their own."));
  for (const key of sshKeys) {
    const owner = others.find((each) => each.sshKeys.some((one) => withoutComment(one) === withoutComment(key)));
    if (owner) problems.push(problem("--ssh-key", `the key is that of ${owner.name}.`, "Ask them for their own."));
  }
  return problems;
}
