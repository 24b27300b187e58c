import pc from "picocolors";
import { inOneLine } from "../core/lockdown/prove.ts";
import type { Verified } from "../core/lockdown/verify.ts";
import { printable } from "./_progress.ts";

/** What was found of one host, as lines for a person on standard error. */
export function showVerified({ host, ok, seen, wrong, warnings, expectedFrom }: Verified): void {
  const tell = (text: string) => process.stderr.write(`${printable(text)}\n`);
  const head = ok ? pc.green("locked down") : pc.red("NOT LOCKED DOWN");
  const what = seen && ok ? `: ${inOneLine(seen)} (expected by the ${expectedFrom})` : "";
  process.stderr.write(`${host}: ${seen === undefined && ok ? "nothing to look at" : head}${printable(what)}\n`);
  for (const text of wrong) tell(`  wrong    ${text}`);
  for (const text of warnings) tell(`  warning  ${text}`);
}
