import { existsSync } from "node:fs";

/**
 * What to give ssh as the operator's identity: the private key beside the public one, or the public one itself when an agent
 * or a hardware token holds the private half.
 */
export function operatorIdentity(sshPubkeyFile: string): { identity: string; agent?: string } {
  const privateKey = sshPubkeyFile.replace(/\.pub$/, "");
  const agent = process.env["SSH_AUTH_SOCK"];
  const identity = existsSync(privateKey) ? privateKey : sshPubkeyFile;
  return { identity, ...(agent !== undefined && { agent }) };
}
