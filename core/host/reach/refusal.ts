import { safeText } from "../../base/wording.ts";

/** Why one of the host's own commands refused: its last line, without the words that say so. */
export function refusalOf(stderr: string, exitCode: number | undefined): string {
  const last = stderr.trim().split("\n").at(-1) ?? "";
  return (
    safeText(last.replace(/^clawdlets-[a-z-]+: (?:refused, nothing changed: )?/, ""), 500) || `exit code ${exitCode}`
  );
}
