import { existsSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { UserError } from "../errors.ts";
import { makePrivateFolder, writeStep } from "./private-files.ts";
import { run } from "./run.ts";

/** A public key without its comment: `ssh-ed25519 AAAA…`. */
export function publicKeyOf(privateKeyFile: string): string {
  return withoutComment(readFileSync(`${privateKeyFile}.pub`, "utf8"));
}

export function withoutComment(line: string): string {
  return line.trim().split(/\s+/).slice(0, 2).join(" ");
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
