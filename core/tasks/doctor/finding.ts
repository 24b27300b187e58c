import type { Problem } from "../../base/errors.ts";
import { type ExitCode, exitCodes } from "../../base/exit-codes.ts";
import { asUserError } from "../../base/system-errors.ts";

export const scopes = ["repo", "stack", "deploy"] as const;
/** `repo`: what git and the working folder hold. `stack`: files, keys and secrets here. `deploy`: tools, Hetzner, the hosts. */
export type Scope = (typeof scopes)[number];

/** One thing that was looked at. */
export interface Finding {
  scope: Scope;
  /** Left out for what is of the whole project. */
  host?: string;
  /** Short name, the same in every run: `git`, `secrets`, `orphans` … */
  check: string;
  /**
   * `problem`: something does not work or is not safe. `warning`: works, and should not stay. `not looked at`: could not be
   * found out from here, e.g. without network.
   */
  status: "ok" | "warning" | "problem" | "not looked at";
  /** What was looked at. */
  looked: string;
  /** What was found, a sentence. */
  found: string;
  /** What to do. */
  mend?: string;
  /** Of a problem: what the command ends with. @default `settings` */
  exitCode?: ExitCode;
}

/** Everything about one look but what came of it. */
export type Looked = Pick<Finding, "scope" | "check" | "looked"> & { host?: string };

export const ok = (looked: Looked, found: string): Finding => ({ ...looked, status: "ok", found });

export function warning(looked: Looked, found: string, mend?: string): Finding {
  return { ...looked, status: "warning", found, ...(mend !== undefined && { mend }) };
}

export function problem(looked: Looked, found: string, mend?: string, exitCode?: ExitCode): Finding {
  return {
    ...looked,
    status: "problem",
    found,
    ...(mend !== undefined && { mend }),
    ...(exitCode !== undefined && { exitCode }),
  };
}

export const notLookedAt = (looked: Looked, why: string, mend?: string): Finding => {
  return { ...looked, status: "not looked at", found: why, ...(mend !== undefined && { mend }) };
};

/** Problems of other checks as findings; `fine` where there is none. */
export function fromProblems(looked: Looked, problems: readonly Problem[], fine: string): Finding[] {
  if (problems.length === 0) return [ok(looked, fine)];
  return problems.map(({ where, setting, message }) => told({ ...looked, looked: where }, `${setting}: ${message}`));
}

/** Our messages say first what is wrong, then in a sentence of its own what to do. */
export function told(looked: Looked, message: string): Finding {
  const [, found = message, mend] = /^(.*?[^.]\.) ([A-Z].*)$/s.exec(message) ?? [];
  return problem(looked, found, mend?.replace(/^(Mend|Make it|Change it): /, ""));
}

/** Does a check, and makes a finding of whatever a person can do something about. A bug stays one. */
export async function attempt(looked: Looked, check: () => Promise<Finding[]> | Finding[]): Promise<Finding[]> {
  try {
    return await check();
  } catch (error) {
    const known = asUserError(error);
    if (!known) throw error;
    if (known.exitCode === exitCodes.api) return [notLookedAt(looked, known.message)];
    return [told(looked, known.message)];
  }
}

/** What the command exits with. @param strict whether warnings and what could not be looked at count too */
export function exitCodeOf(findings: readonly Finding[], strict: boolean): ExitCode {
  const problems = findings.filter(({ status }) => status === "problem");
  const codes = problems.map(({ exitCode }) => exitCode ?? exitCodes.settings);
  for (const worst of [exitCodes.open, exitCodes.unknown]) if (codes.includes(worst)) return worst;
  const [first] = codes;
  if (first !== undefined) return codes.includes(exitCodes.settings) ? exitCodes.settings : first;
  if (!strict) return exitCodes.ok;
  if (findings.some(({ status }) => status === "not looked at")) return exitCodes.api;
  return findings.some(({ status }) => status === "warning") ? exitCodes.failed : exitCodes.ok;
}
