import ssh2 from "ssh2";
import type { ServerRecord } from "../cloud/types.ts";
import { readUserData } from "./cloud-init.ts";

/** The keys of a freshly imaged machine: from user_data where it gives them, otherwise its own. */
export function firstBoot(server: ServerRecord): {
  hostKey: string;
  publicHostKey: string;
  authorizedKeys: string[];
} {
  const given = readUserData(server.userData);
  const hostKey = given.hostKey ?? ssh2.utils.generateKeyPairSync("ed25519").private;
  const parsed = ssh2.utils.parseKey(hostKey);
  // What cloud-init cannot use it leaves out, and sshd then has a key of its own.
  if (parsed instanceof Error) return firstBoot({ ...server, userData: null });
  const publicHostKey = `${parsed.type} ${parsed.getPublicSSH().toString("base64")}\n`;
  return { hostKey, publicHostKey, authorizedKeys: [...server.authorizedKeys, ...given.authorizedKeys] };
}
