import { shellQuoted } from "../../base/wording.ts";

/** Where a key that was given as text is put by the advice below, relative to the project. */
const operatorKey = ".clawdlets/operator.pub";

/** Says that `value` is a key where the path of one is meant, and how to mend that; or nothing. */
export function sshPubkeyFileProblem(value: string): string | undefined {
  if (/^-----BEGIN|^PuTTY-User-Key-File/.test(value)) {
    return (
      "it is a private key itself, which belongs in no settings; " +
      "give the path of its public half, e.g. ~/.ssh/id_ed25519.pub"
    );
  }
  if (!/^(ssh|ecdsa|sk)-[\w@.-]+ +[A-Za-z0-9+/]{16,}/.test(value)) return undefined;
  return (
    "it is a public key itself, and the path of a file is meant. " +
    `Run: printf '%s\\n' ${shellQuoted(value)} > ${operatorKey} ; then write "sshPubkeyFile": "${operatorKey}"`
  );
}
