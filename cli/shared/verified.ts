import pc from "picocolors";
import { answerInWords, inOneLine } from "../../core/host/lockdown/prove.ts";
import type { Verified } from "../../core/host/lockdown/verify.ts";
import type { ResultLine } from "./output.ts";

/** What was found of one host, as lines of a result. */
export function showVerified(
  { host, ok, answer, seen, wrong, warnings, expectedFrom }: Verified,
  say: ResultLine,
): void {
  const colour = ok ? pc.green : answer === "open" ? pc.red : pc.yellow;
  const head = colour(answerInWords(answer, ok));
  const what = seen && ok ? `: ${inOneLine(seen)} (expected by the ${expectedFrom})` : "";
  say(what, `${host}: ${seen === undefined && ok ? "nothing to check" : head}`);
  for (const text of wrong) say(`  ${answer === "unknown" ? "unknown " : "wrong   "} ${text}`);
  for (const text of warnings) say(`  warning  ${text}`);
}

/** The same in one line, for where many hosts are listed. */
export function verdictOf({ ok, answer, seen, expectedFrom, warnings }: Verified): string {
  if (!ok) return answerInWords(answer, ok);
  if (seen === undefined) return "nothing to check";
  const warned = warnings.length > 0 ? `; ${warnings.join("; ")}` : "";
  return `locked down: ${inOneLine(seen)} (expected by the ${expectedFrom})${warned}`;
}
