import { messageOf, UserError } from "../../base/errors.ts";
import { type ExitCode, exitCodes } from "../../base/exit-codes.ts";
import { type Problem, problemJson } from "../../base/problem.ts";
import type { ProblemCode } from "../../base/problem-codes.ts";
import { asUserError } from "../../base/system-errors.ts";

export const scopes = ["repo", "stack", "deploy"] as const;
/** `repo`: what git and the working folder hold. `stack`: files, keys and secrets here. `deploy`: tools, Hetzner, the hosts. */
export type Scope = (typeof scopes)[number];

/** What a check is about, before its outcome is known. */
export interface Check {
  scope: Scope;
  /** Left out for the whole project. */
  host?: string;
  /** Short name, the same in every run: `git`, `secrets`, `orphans` … */
  check: string;
  /** What is inspected. */
  subject: string;
}

/** Nothing is wrong; `found` says what is there, as a sentence. */
interface Fine extends Check {
  status: "ok";
  found: string;
}

/**
 * `problem`: something does not work or is not safe. `warning`: it works, and should not stay like this. `not checked`: the answer
 * could not be had from here, e.g. without network.
 */
interface Objected extends Check, Problem {
  status: "warning" | "problem" | "not checked";
  /** Of a problem: what the command ends with. @default `settings` */
  exitCode?: ExitCode;
}

export type Finding = Fine | Objected;

export const ok = (about: Check, found: string): Finding => ({ ...about, status: "ok", found });

export function warning(about: Check, code: ProblemCode, text: string, fix?: string): Finding {
  return { ...about, status: "warning", code, problem: text, ...(fix !== undefined && { fix }) };
}

export function problem(about: Check, code: ProblemCode, text: string, fix?: string, exitCode?: ExitCode): Finding {
  return {
    ...about,
    status: "problem",
    code,
    problem: text,
    ...(fix !== undefined && { fix }),
    ...(exitCode !== undefined && { exitCode }),
  };
}

export function notChecked(about: Check, why: string, fix?: string): Finding {
  return { ...about, status: "not checked", code: "not-checked", problem: why, ...(fix !== undefined && { fix }) };
}

/** Problems of other checks as findings, each of its own subject; `fine` where there is none. */
export function fromProblems(about: Check, problems: readonly Problem[], fine: string): Finding[] {
  if (problems.length === 0) return [ok(about, fine)];
  return problems.map((each) => {
    return { ...about, status: "problem", ...problemJson(each), subject: each.subject || about.subject };
  });
}

/** Runs a check, and makes findings of whatever a person can do something about. A bug stays one. */
export async function attempt(about: Check, check: () => Promise<Finding[]> | Finding[]): Promise<Finding[]> {
  try {
    return await check();
  } catch (error) {
    const known = asUserError(error);
    if (!known) throw error;
    if (known.exitCode === exitCodes.api) return [notChecked(about, known.message)];
    return fromProblems(about, known.problems, "");
  }
}

/** What an error says of a check that could not be made. @throws what is not for a person */
export function unanswered(about: Check, error: unknown, why: string): Finding {
  if (!(error instanceof UserError)) throw error;
  return notChecked(about, `${why}: ${messageOf(error)}`);
}

/** What the command exits with. @param strict whether warnings and what could not be checked count too */
export function exitCodeOf(findings: readonly Finding[], strict: boolean): ExitCode {
  const codes = findings.flatMap((each) =>
    each.status === "problem" ? [each.exitCode ?? exitCodes.settings] : ([] as ExitCode[]),
  );
  for (const worst of [exitCodes.open, exitCodes.unknown]) if (codes.includes(worst)) return worst;
  const [first] = codes;
  if (first !== undefined) return codes.includes(exitCodes.settings) ? exitCodes.settings : first;
  if (!strict) return exitCodes.ok;
  if (findings.some(({ status }) => status === "not checked")) return exitCodes.api;
  return findings.some(({ status }) => status === "warning") ? exitCodes.failed : exitCodes.ok;
}
