import pc from "picocolors";
import { UserError } from "../../core/base/errors.ts";
import { answerInWords, inOneLine } from "../../core/host/lockdown/prove.ts";
import { type Verified, verifyHost } from "../../core/host/lockdown/verify.ts";
import type { Layout } from "../../core/project/layout.ts";
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

/**
 * Verifies the host after an update. The stack itself proves a lockdown only when its declaration has changed, not when it removed a
 * rule that was added in the console (drift). Two requests, and only if something was updated.
 * @throws UserError with what is not as declared
 */
export async function proveMended(
  layout: Layout,
  host: string,
  changes: Readonly<Record<string, number>>,
  tell: (text: string) => void,
): Promise<void> {
  if ((changes["update"] ?? 0) + (changes["replace"] ?? 0) === 0) return;
  const signal = new AbortController().signal;
  const { ok, wrong, exitCode } = await verifyHost({ layout, host, environment: process.env, signal });
  if (!ok)
    throw new UserError(
      { subject: host, problem: "the host is not as declared after the update." },
      { exitCode, details: wrong },
    );
  tell(`${host}: verified after the update`);
}
