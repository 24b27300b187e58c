import { type ExitCode, exitCodes } from "../../../core/base/exit-codes.ts";
import type { Difference } from "../../../core/project/trust/difference.ts";
import type { Change, Danger } from "./changes.ts";
import type { Violation } from "./plan.ts";
import type { LocatedProblem } from "./stack-checks.ts";

/** From harmless to not even previewable. */
export type Verdict = "clean" | "changes" | "dangerous" | "invalid";

/** What a preview found of one host. */
export interface HostReport {
  host: string;
  /** The stack file, relative to the project. */
  file: string;
  verdict: Verdict;
  /** What would be there: server type, location and image, and who may reach it. Empty where the engine did not get that far. */
  exists: string;
  /** Against what it was compared with; empty where it was not. */
  changes: Change[];
  dangers: Danger[];
  /** What its stack file, and other files of its own, say differently from what it was compared with. */
  differences: Difference[];
  violations: Violation[];
  problems: LocatedProblem[];
  notes: string[];
  seconds: number;
}

export interface PreviewReport {
  /** `nothing`, `base REF`, or `state`. */
  comparedWith: string;
  verdict: Verdict;
  hosts: HostReport[];
  /** Files that affect more than one host. */
  differences: Difference[];
  /** Of the run as a whole. */
  notes: string[];
}

const order: readonly Verdict[] = ["clean", "changes", "dangerous", "invalid"];

/** A refusal of the policy is dangerous: the host can be previewed, and must not be made like this. */
export function verdictOf({
  changes,
  dangers,
  differences,
  violations,
  problems,
}: Pick<HostReport, "changes" | "dangers" | "differences" | "violations" | "problems">): Verdict {
  if (problems.length > 0) return "invalid";
  if (dangers.length > 0 || violations.some(({ mandatory }) => mandatory)) return "dangerous";
  return worst([changes.length > 0 ? "changes" : "clean", ofDifferences(differences)]);
}

/** The verdict on a whole run. */
export function worstOf(hosts: readonly HostReport[], differences: readonly Difference[] = []): Verdict {
  return worst([...hosts.map(({ verdict }) => verdict), ofDifferences(differences)]);
}

function ofDifferences(differences: readonly Difference[]): Verdict {
  if (differences.some(({ dangerous }) => dangerous)) return "dangerous";
  return differences.length > 0 ? "changes" : "clean";
}

const worst = (verdicts: readonly Verdict[]): Verdict =>
  verdicts.reduce<Verdict>((found, each) => (order.indexOf(each) > order.indexOf(found) ? each : found), "clean");

export function exitCodeOf(verdict: Verdict): ExitCode {
  const codes = {
    clean: exitCodes.ok,
    changes: exitCodes.changes,
    dangerous: exitCodes.dangerous,
    invalid: exitCodes.settings,
  };
  return codes[verdict];
}
