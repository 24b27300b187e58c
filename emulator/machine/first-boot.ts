import ssh2 from "ssh2";
import type { ServerRecord } from "../cloud/types.ts";
import { readUserData } from "./cloud-init.ts";
import { newKeyPair } from "./key-pair.ts";

/** The keys of a freshly imaged machine: from user_data where it gives them, otherwise its own. */
export function firstBoot(server: ServerRecord): {
  hostKey: string;
  publicHostKey: string;
  authorizedKeys: string[];
} {
  const given = readUserData(server.userData);
  const authorizedKeys = [...server.authorizedKeys, ...given.authorizedKeys];
  // What cloud-init cannot use it leaves out, and sshd then has a key of its own.
  return { ...(hostKeyPair(given.hostKey) ?? newHostKey()), authorizedKeys };
}

interface HostKey {
  hostKey: string;
  publicHostKey: string;
}

/** As NixOS' sshd makes one at its first start, where none was delivered. */
export function newHostKey(): HostKey {
  const made = hostKeyPair(newKeyPair().private);
  if (made === undefined) throw new Error("a key that could be read cannot be");
  return made;
}

function hostKeyPair(hostKey: string | null): HostKey | undefined {
  const parsed = hostKey === null ? undefined : ssh2.utils.parseKey(hostKey);
  if (hostKey === null || parsed === undefined || parsed instanceof Error) return undefined;
  return { hostKey, publicHostKey: `${parsed.type} ${parsed.getPublicSSH().toString("base64")}\n` };
}
