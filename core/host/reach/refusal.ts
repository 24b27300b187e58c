import { safeText } from "../../base/wording.ts";

/** Why a host did not do what it was ordered to. */
export interface Refusal {
  /** Its reason in words, for people. */
  said: string;
  /** What to decide by. Undefined from a system that is older than codes, and from commands without them. */
  code: string | undefined;
  /** True if the command could not be run: it is not installed there, or sudo does not allow it. */
  isMissing: boolean;
}

const ownLine = /^clawdlets-[a-z-]+: (?:refused, nothing changed: )?/;
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
  };
}
