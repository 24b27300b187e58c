import { type ExitCode, exitCodes } from "../../../core/base/exit-codes.ts";
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
  /** Of the run as a whole. */
  notes: string[];
}

const order: readonly Verdict[] = ["clean", "changes", "dangerous", "invalid"];

/** A refusal of the policy is dangerous: the host can be previewed, and must not be made like this. */
export function verdictOf(host: Pick<HostReport, "changes" | "dangers" | "violations" | "problems">): Verdict {
  if (host.problems.length > 0) return "invalid";
  if (host.dangers.length > 0 || host.violations.some(({ mandatory }) => mandatory)) return "dangerous";
  return host.changes.length > 0 ? "changes" : "clean";
}

export function worstOf(hosts: readonly HostReport[]): Verdict {
  return hosts.reduce<Verdict>(
    (worst, { verdict }) => (order.indexOf(verdict) > order.indexOf(worst) ? verdict : worst),
    "clean",
  );
}

export function exitCodeOf(verdict: Verdict): ExitCode {
  const codes = {
    clean: exitCodes.ok,
    changes: exitCodes.changes,
    dangerous: exitCodes.dangerous,
    invalid: exitCodes.settings,
  };
  return codes[verdict];
}
