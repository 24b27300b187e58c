import { readFileSync, statSync } from "node:fs";
import { hasCode, messageOf } from "../../base/errors.ts";
import type { Objection, Problem } from "../../base/problem.ts";
import { isPublicKeyLine } from "../../base/public-key.ts";
import { shellQuoted } from "../../base/wording.ts";

/** Larger than any public key, and small enough to read even if the file is something else. */
const maxBytes = 64 * 1024;

/**
 * Reads an OpenSSH public key file: one key, plus empty lines and comments.
 * @param setting the setting with the path, for messages, e.g. `hosts.web-1.opentofu.sshPubkeyFile`
 * @returns the key line with its comment, or problems; the content is never quoted
 */
export function readPublicKeyFile(path: string, setting = "sshPubkeyFile"): { value?: string; problems: Problem[] } {
  const problem = (objection: Objection) => ({ problems: [{ subject: path, setting, ...objection }] });
  let text: string;
  try {
    const stat = statSync(path);
    if (!stat.isFile())
      return problem({
        code: "file-unreadable",
        problem: "is not a plain file.",
        fix: "Use the path of the public key file itself, e.g. ~/.ssh/id_ed25519.pub.",
      });
    if (stat.size > maxBytes) return problem(notOne);
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (!hasCode(error, "ENOENT", "ENOTDIR"))
      return problem({ code: "file-unreadable", problem: `cannot be read: ${messageOf(error)}` });
    const pair = shellQuoted(path.replace(/\.pub$/, ""));
    return problem({
      code: "file-missing",
      problem: "there is no such file.",
      fix: `Use another file, or create a key pair: ssh-keygen -t ed25519 -f ${pair}`,
    });
  }
  if (/-----BEGIN (?!PUBLIC KEY|RSA PUBLIC KEY)|PuTTY-User-Key-File/.test(text)) {
    const publicHalf = shellQuoted(`${path}.pub`);
    return problem({
      code: "key-invalid",
      problem: "is a private key, but a public key is expected.",
      fix: `Use its public half, ${path}.pub; if that is missing: ssh-keygen -y -f ${shellQuoted(path)} > ${publicHalf}`,
    });
  }
  const lines = text
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    // sshd accepts any run of spaces and tabs between the fields; normalize it to one space.
    .map((line) => line.replace(/^(\S+)[ \t]+(\S+)[ \t]*/, "$1 $2 ").trim());
  const [line = ""] = lines;
  if (lines.length === 0) return problem({ code: "key-invalid", problem: "is empty.", fix: allowed });
  if (!lines.every(isPublicKeyLine)) return problem(notOne);
  if (lines.length > 1)
    return problem({
      code: "key-invalid",
      problem: `holds ${lines.length} keys; exactly one is allowed.`,
      fix: "Put that one into a separate file.",
    });
  return { value: line, problems: [] };
}

const allowed = 'Allowed: one OpenSSH public key line, e.g. "ssh-ed25519 AAAA… you@laptop".';
const notOne: Objection = {
  code: "key-invalid",
  problem: "is not an OpenSSH public key.",
  fix: `${allowed} Other formats: ssh-keygen -i -f FILE > FILE.pub`,
};
