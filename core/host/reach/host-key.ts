import { createHash } from "node:crypto";
import { run } from "../../base/machine/run.ts";
import { withoutComment } from "../../base/text/public-key-line.ts";

/** Which of the known host keys an address presents. */
export type Answer =
  | { kind: "none" }
  | { kind: "bootstrap" }
  | { kind: "final" }
  | { kind: "other"; fingerprint: string };

/** Reads an address's ed25519 host key without logging in. No proof on its own: later connections check the pinned key. */
export async function askHostKey(
  { address, port }: { address: string; port: number },
  known: { bootstrap?: string; final: string },
  signal: AbortSignal,
): Promise<Answer> {
  const key = await scanHostKey({ address, port }, signal);
  if (key === undefined) return { kind: "none" };
  if (key === withoutComment(known.final)) return { kind: "final" };
  if (known.bootstrap !== undefined && key === withoutComment(known.bootstrap)) return { kind: "bootstrap" };
  return { kind: "other", fingerprint: fingerprintOf(key) };
}

/** Reads an address's ed25519 host key, as `ssh-ed25519 AAAA…`. @returns undefined if nothing answers */
export async function scanHostKey(
  { address, port }: { address: string; port: number },
  signal: AbortSignal,
): Promise<string | undefined> {
  const { stdout } = await run("ssh-keyscan", ["-t", "ed25519", "-T", "5", "-p", String(port), address], {
    timeoutSeconds: 10,
    signal,
  });
  const line = stdout.split("\n").find((each) => each.includes(" ssh-ed25519 "));
  return line && withoutComment(line.slice(line.indexOf("ssh-ed25519")));
}

/** `SHA256:…` as ssh shows it. */
export function fingerprintOf(publicKey: string): string {
  const blob = Buffer.from(publicKey.split(" ")[1] ?? "", "base64");
  return `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/, "")}`;
}
