import { safeText } from "../../base/wording.ts";

/** Why a host did not do what it was ordered to. */
export interface Refusal {
  /** Its reason in words, for people. */
  said: string;
  /** What to decide by. Undefined from a system that is older than codes, and from commands without them. */
  code: string | undefined;
  /** True if the command could not be run: it is not installed there, or sudo does not allow it. */
  isMissing: boolean;
  /** True if our command refused, and so changed nothing. Otherwise it may have ended at any point. */
  hasRefused: boolean;
}

const ownLine = /^clawdlets-[a-z-]+: (?:refused, nothing changed: )?/;
const refusal = /^clawdlets-[a-z-]+: refused, nothing changed: /;
const codeLine = /^clawdlets-[a-z-]+: code ([a-z][a-z-]{0,40})$/;
/** The words of sudo and of shells, which have no codes. A reason of our own command may contain them, too. */
const missing = /command not found|password is required|not allowed|No such file/;

/** Reads what one of the host's own commands printed before it ended: its last line is the reason, the one before it the code. */
export function readRefusal(stderr: string, exitCode: number | undefined): Refusal {
  const [before = "", last = ""] = ["", ...stderr.trim().split("\n")].slice(-2).map((line) => line.trimEnd());
  return {
    said: safeText(last.replace(ownLine, ""), 500) || `exit code ${exitCode}`,
    code: codeLine.exec(before)?.[1],
    isMissing: !ownLine.test(last) && missing.test(last),
    hasRefused: refusal.test(last),
  };
}

/** What to tell people: that nothing was changed only where the host says so. */
export function refusedInWords({ said, hasRefused }: Refusal): string {
  return hasRefused ? `the host refused and changed nothing: ${said}` : `the host did not do it: ${said}`;
}
