import { lstatSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const why =
  "This file keeps Pulumi from writing logs. Its automatic log has the values of secrets in it, and is kept for a week.\n" +
  "To debug a run, use clawdlets' own log, or: pulumi preview -v=9 --logtostderr\n";

/**
 * Keeps the engine from its automatic log. Pulumi 3.276.0 writes one for each command into its home, in which nothing is redacted:
 * compressed, and encrypted with the stack's passphrase once that is known. No setting turns it off. Where it cannot make the
 * folder, it runs without (pkg/logging/encrypted.go, `StartLogging`), so a file takes its place. Logs that are there are deleted.
 * @param home PULUMI_HOME of the engine
 */
export function keepFromLogging(home: string): void {
  const logs = join(home, "logs");
  if (lstatSync(logs, { throwIfNoEntry: false })?.isFile()) return;
  try {
    rmSync(logs, { recursive: true, force: true });
    writeFileSync(logs, why, { mode: 0o444 });
  } catch (error) {
    // Of another user, or read-only: the engine cannot write logs there either. Or another command was faster.
    if (!expected.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}

const expected = new Set(["EACCES", "EPERM", "EROFS", "ENOENT", "EISDIR", "EEXIST", "ENOTEMPTY"]);
