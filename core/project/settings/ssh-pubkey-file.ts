import { shellQuoted } from "../../base/wording.ts";

/** The file, relative to the project, that the advice below suggests for a key that was given as text. */
const operatorKey = ".clawdlets/operator.pub";

/** Says that `value` is a key instead of a path, and how to fix that; undefined if it is not a key. */
export function sshPubkeyFileProblem(value: string): string | undefined {
  if (/^-----BEGIN|^PuTTY-User-Key-File/.test(value)) {
    return (
      "it is a private key, which must never be in settings; " +
      "set the path of its public half, e.g. ~/.ssh/id_ed25519.pub"
    );
  }
  if (!/^(ssh|ecdsa|sk)-[\w@.-]+ +[A-Za-z0-9+/]{16,}/.test(value)) return undefined;
  return (
    "it is a public key, but the path of a file is expected. " +
    `Run: printf '%s\\n' ${shellQuoted(value)} > ${operatorKey} ; then set "sshPubkeyFile": "${operatorKey}"`
  );
}
