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
  const lines = ["", "", ...stderr.trim().split("\n")].slice(-3).map((line) => line.trimEnd());
  const [earlier = "", before = "", last = ""] = lines;
  const code = codeLine.exec(before)?.[1];
  // Where an order broke off, the reason is what the program said that failed.
  const reason = code === "failed" && earlier !== "" ? `${earlier} (${last.replace(ownLine, "")})` : last;
  return {
    said: safeText(reason.replace(ownLine, ""), 500) || `exit code ${exitCode}`,
    code,
    isMissing: !ownLine.test(last) && missing.test(last),
    hasRefused: refusal.test(last),
  };
}

/** True if the same order will be refused again, however often it is given: it was not merely too early, or another one under way. */
export function isFinal({ code, isMissing, hasRefused }: Refusal): boolean {
  return isMissing || (hasRefused && code !== undefined && code !== "busy");
}

/** What to tell people: that nothing was changed only where the host says so. */
export function refusedInWords({ said, hasRefused }: Refusal): string {
  return hasRefused ? `the host refused and changed nothing: ${said}` : `the host did not do it: ${said}`;
}
