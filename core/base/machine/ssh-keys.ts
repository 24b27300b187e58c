import { existsSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { UserError } from "../errors.ts";
import type { Objection } from "../problem.ts";
import { withoutComment } from "../text/public-key-line.ts";
import { shellQuoted } from "../wording.ts";
import { cleanEnvironment } from "./environment.ts";
import { makePrivateFolder, writeStep } from "./private-files.ts";
import { run } from "./run.ts";

/** A public key without its comment: `ssh-ed25519 AAAA…`. */
export function publicKeyOf(privateKeyFile: string): string {
  return withoutComment(readFileSync(`${privateKeyFile}.pub`, "utf8"));
}

export interface DerivedKey {
  /** Without a comment; undefined if ssh cannot use the file. */
  publicKey?: string;
  needsPassphrase?: true;
  /** Why ssh cannot use the file. */
  objection?: Objection;
}

/** Reads a private key file as ssh does in batch mode, without asking anything, and derives its public key. */
export async function derivedPublicKey(path: string): Promise<DerivedKey> {
  const env = cleanEnvironment({ LC_ALL: "C" });
  const { exitCode, stdout, stderr } = await run("ssh-keygen", ["-y", "-P", "", "-f", path], {
    timeoutSeconds: 30,
    env,
  });
  if (exitCode === 0) return { publicKey: withoutComment(stdout) };
  const wrong = (problem: string, fix: string): DerivedKey => ({ objection: { code: "key-invalid", problem, fix } });
  if (/passphrase/.test(stderr)) return { ...wrong("needs a passphrase.", "Use one without."), needsPassphrase: true };
  if (/bad permissions/.test(stderr))
    return wrong(
      "others on this machine can read it, so ssh refuses it.",
      `Restrict it: chmod 600 ${shellQuoted(path)}`,
    );
  const text = readFileSync(path, "utf8");
  if (text.includes("\r"))
    return wrong(
      "has Windows line breaks (CRLF), which ssh cannot read.",
      `Remove them: sed -i 's/\\r$//' ${shellQuoted(path)}`,
    );
  if (!text.endsWith("\n"))
    return wrong("does not end with a line break, so ssh cannot read it.", `Add one: echo >> ${shellQuoted(path)}`);
  const [reason = ""] = stderr.trim().split("\n").slice(-1);
  return wrong(
    `ssh cannot read it (${reason.replace(/^Load key ".*": /, "")}).`,
    "Restore it from a backup (this machine's own copy: clawdlets secrets restore).",
  );
}

/** True if an ssh agent holds the private half of a key. @param agent its socket */
export async function agentHas(agent: string | undefined, publicKey: string): Promise<boolean> {
  if (agent === undefined) return false;
  const env = cleanEnvironment({ SSH_AUTH_SOCK: agent });
  const { stdout } = await run("ssh-add", ["-L"], { timeoutSeconds: 10, env });
  return stdout.split("\n").some((line) => withoutComment(line) === publicKey);
}

/** Creates an ed25519 key pair in OpenSSH's format, unless there is one already. */
export async function ensureSshKey(path: string, comment: string): Promise<{ created: boolean }> {
  if (existsSync(path) && existsSync(`${path}.pub`)) return { created: false };
  await replaceSshKey(path, comment);
  return { created: true };
}

/** Replaces a key pair with a new one. The private half is written last, so that a crash never leaves two halves that do not match. */
export async function replaceSshKey(path: string, comment: string): Promise<void> {
  makePrivateFolder(dirname(path));
  const fresh = `${path}.new`;
  rmSync(fresh, { force: true });
  rmSync(`${fresh}.pub`, { force: true });
  writeStep(`make ${fresh}`);
  const result = await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", fresh], {
    timeoutSeconds: 30,
  });
  if (result.exitCode !== 0) throw new UserError(`ssh-keygen could not create ${path}: ${result.stderr.trim()}`);
  writeStep(`made ${fresh}`);
  rmSync(path, { force: true });
  writeStep(`removed ${path}`);
  renameSync(`${fresh}.pub`, `${path}.pub`);
  writeStep(`moved ${path}.pub`);
  renameSync(fresh, path);
  writeStep(`moved ${path}`);
}
