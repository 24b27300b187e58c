import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { identityToRecipient } from "age-encryption";
import { latin1FromBytes } from "just-bash";
import { ROOT } from "../files/inode.ts";
import type { FileTree } from "../files/tree.ts";
import { decryptAge, readSopsFile } from "../sops-file.ts";
import type { CommandContext, CommandTable, ExecResult, Session } from "./context.ts";
import { failed, ok } from "./context.ts";
import { holdsOneEncryptedValue, type Received, Refusal, readReceived } from "./received.ts";

/** The one command that a member of wheel may run as root without a password; as sudoers has it, without arguments. */
export const RECEIVE_SECRETS = "/run/current-system/sw/bin/clawdlets-receive-secrets";

const KEY_FILE = "/var/lib/sops-nix/key.txt";
const MAY_CHANGE = "/run/clawdlets-password-may-change";
const UNITS = [
  ["restart", "sops-install-secrets.service"],
  ["try-restart", "clawdlets-secrets.target"],
] as const;
/** A twentieth of the real 30 s, as all waiting in the guest. */
const LOCK_WAIT_MS = 1500;

const runs = new WeakMap<FileTree, Promise<unknown>>();

/** The stand-in for nix/host/receive-secrets.sh; one test holds both to the same cases and the same words. */
async function receiveSecrets(args: string[], context: CommandContext, session: Session): Promise<ExecResult> {
  if (session.user.uid !== 0) return failed("clawdlets-receive-secrets: must be run as root");
  try {
    if (args.length > 0) throw new Refusal("it takes no arguments", "unknown-order");
    return await alone(session.fs.tree, () => receive(context, session));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return failed(coded(error.code, `refused, nothing changed: ${error.message}`));
  }
}

const coded = (code: string, text: string) =>
  [`code ${code}`, text].map((line) => `clawdlets-receive-secrets: ${line}`).join("\n");

/** One run at a time on a machine, as by the lock file. @throws Refusal when another one does not end */
async function alone<T>(tree: FileTree, work: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + LOCK_WAIT_MS;
  for (let other = runs.get(tree); other !== undefined; other = runs.get(tree)) {
    if (Date.now() >= deadline) throw new Refusal("another run is in progress; waited 30 s for it", "busy");
    await Promise.race([other, sleep(deadline - Date.now(), undefined, { ref: false })]);
  }
  const run = work();
  const ended = run.then(
    () => runs.delete(tree),
    () => runs.delete(tree),
  );
  runs.set(tree, ended);
  return run;
}

async function receive(context: CommandContext, session: Session): Promise<ExecResult> {
  const { tree } = session.fs;
  const secretsDir = `/var/lib/clawdlets/secrets/hosts/${session.machine.hostname}`;
  const beside = (suffix: string) => secretsDir.replace(/[^/]*$/, `.$&.${suffix}`);
  for (const leftover of [beside("new"), `${KEY_FILE}.new`]) removeIfThere(tree, leftover);

  const received = await readReceived(Buffer.from(latin1FromBytes(context.stdin), "latin1"));
  const identity = await checkedIdentity(tree, received);
  await checkPassword(tree, received.secrets, readSecrets(tree, secretsDir));
  const text = identity ?? tree.readFile(KEY_FILE, ROOT).toString();
  const recipient = await identityToRecipient(/^AGE-SECRET-KEY-1\S+/m.exec(text)?.[0] ?? "");
  const files = sums(received.secrets);
  const answer = (changed: boolean) => ok(`${JSON.stringify({ ok: true, changed, recipient, files })}\n`);
  const isTold = tree.find(beside("untold"), ROOT).node === null;
  const present = JSON.stringify(sums(readSecrets(tree, secretsDir)));
  if (identity === null && isTold && present === JSON.stringify(files)) return answer(false);

  putInPlace(tree, { ...received, identity, secretsDir, beside });
  const state = identity === null ? "the files are installed" : "the files and the new identity are installed";
  for (const [verb, unit] of UNITS) {
    const { exitCode, stderr } = await session.run("systemctl", [verb, unit], context, session.user);
    if (exitCode === 0) continue;
    return failed(`${stderr}${coded("not-restarted", `${state}, but systemctl ${verb} ${unit} failed`)}`, 2);
  }
  tree.remove(beside("untold"), ROOT, false);
  removeIfThere(tree, MAY_CHANGE);
  return answer(true);
}

/** @returns the text of the new identity file, null where none came. @throws Refusal for what does not open */
async function checkedIdentity(tree: FileTree, { secrets, identity }: Received): Promise<string | null> {
  const isThere = tree.find(KEY_FILE, ROOT).node !== null;
  const present = isThere ? tree.readFile(KEY_FILE, ROOT).toString() : "";
  const key = "the host's current identity";
  for (const [name, content] of secrets) {
    if (!holdsOneEncryptedValue(name, content)) {
      throw new Refusal(`${name}.yaml: not a sops file with one key, "${name}", and an encrypted value`);
    }
    const value = await readSopsFile(present, content.toString(), name);
    if (value === undefined) throw new Refusal(`${name}.yaml: does not decrypt with ${key}`, "wrong-recipient");
  }
  if (identity === null) return null;
  const next = await decryptAge(present, identity).catch(() => null);
  if (next === null) throw new Refusal(`identity.age: does not decrypt with ${key}`, "wrong-recipient");
  const lines = next
    .toString()
    .split("\n")
    .filter((line) => !/^(#|$)/.test(line));
  if (!/^AGE-SECRET-KEY-1[A-Z0-9]+$/.test(lines.join("\n"))) {
    throw new Refusal("identity.age: does not hold exactly one AGE-SECRET-KEY-1 line", "wrong-identity");
  }
  for (const [name, content] of secrets) {
    const value = await readSopsFile(next.toString(), content.toString(), name);
    if (value === undefined)
      throw new Refusal(`${name}.yaml: does not decrypt with the new identity alone`, "wrong-identity");
  }
  return next.toString();
}

/** The password is what stands between admin's ssh key and root, so it does not come with the other secrets. @throws Refusal */
async function checkPassword(tree: FileTree, next: Map<string, Buffer>, present: Map<string, Buffer>): Promise<void> {
  const name = "admin_password_hash";
  if (!present.has(name) || tree.find(MAY_CHANGE, ROOT).node !== null) return;
  const key = tree.readFile(KEY_FILE, ROOT).toString();
  const read = async (secrets: Map<string, Buffer>) => readSopsFile(key, secrets.get(name)?.toString() ?? "", name);
  const old = await read(present);
  if (old === undefined) throw new Refusal(`${name}.yaml: cannot read the current one`, "unreadable");
  if ((await read(next)) !== old) {
    const how = `To allow this once, run as root at the console: touch ${MAY_CHANGE}`;
    throw new Refusal(`${name}.yaml: the password differs or is missing. ${how}`, "password");
  }
}

interface Wanted {
  secrets: Map<string, Buffer>;
  identity: string | null;
  secretsDir: string;
  beside: (suffix: string) => string;
}

/** Atomic, like the real exchange: without a wait in between, readers see all of it or nothing. */
function putInPlace(tree: FileTree, { secrets, identity, secretsDir, beside }: Wanted): void {
  tree.makeDirectories(beside("new"), ROOT);
  for (const [name, content] of secrets) tree.writeFile(`${beside("new")}/${name}.yaml`, content, ROOT, 0o400);
  removeIfThere(tree, beside("untold"));
  tree.writeFile(beside("untold"), new Uint8Array(), ROOT, 0o600);
  if (tree.find(secretsDir, ROOT).node !== null) {
    removeIfThere(tree, beside("previous"));
    tree.rename(secretsDir, beside("previous"), ROOT);
  }
  tree.rename(beside("new"), secretsDir, ROOT);
  if (identity === null) return;
  removeIfThere(tree, KEY_FILE);
  tree.writeFile(KEY_FILE, Buffer.from(identity), ROOT, 0o400);
}

function readSecrets(tree: FileTree, secretsDir: string): Map<string, Buffer> {
  const { node } = tree.find(secretsDir, ROOT);
  const names = node?.kind === "dir" ? [...node.children.keys()].filter((name) => name.endsWith(".yaml")) : [];
  return new Map(names.map((name) => [name.slice(0, -".yaml".length), tree.readFile(`${secretsDir}/${name}`, ROOT)]));
}

function sums(secrets: Map<string, Buffer>): Record<string, string> {
  const sorted = [...secrets].sort(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(
    sorted.map(([name, content]) => [name, createHash("sha256").update(content).digest("hex")]),
  );
}

function removeIfThere(tree: FileTree, path: string): void {
  if (tree.find(path, ROOT, false).node !== null) tree.remove(path, ROOT, true);
}

export const secretCommands: CommandTable = { "clawdlets-receive-secrets": receiveSecrets };
