import { existsSync } from "node:fs";
import { ownEnvironment } from "../../base/machine/environment.ts";

/**
 * The operator's identity for ssh: the private key next to the public one, or the public one itself if an agent or a hardware
 * token holds the private half.
 */
export function operatorIdentity(sshPubkeyFile: string): { identity: string; agent?: string } {
  const privateKey = sshPubkeyFile.replace(/\.pub$/, "");
  const agent = ownEnvironment()["SSH_AUTH_SOCK"];
  const identity = existsSync(privateKey) ? privateKey : sshPubkeyFile;
  return { identity, ...(agent !== undefined && { agent }) };
}
