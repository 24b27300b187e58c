import { messageOf, UserError } from "../../base/errors.ts";
import { type ExitCode, exitCodes } from "../../base/exit-codes.ts";
import { type Problem, problemJson } from "../../base/problem.ts";
import type { ProblemCode } from "../../base/problem-codes.ts";
import { asUserError } from "../../base/system-errors.ts";

export const scopes = ["repo", "stack", "deploy"] as const;
/** `repo`: git and the working folder. `stack`: files, keys and secrets on this machine. `deploy`: tools, Hetzner, the hosts. */
export type Scope = (typeof scopes)[number];

/** A check before its outcome is known. */
export interface Check {
  scope: Scope;
  /** Omitted for the whole project. */
  host?: string;
  /** Short name, the same in every run: `git`, `secrets`, `orphans` … */
  check: string;
  /** What is inspected. */
  subject: string;
}

/** Nothing is wrong; `found` says what was found, as a sentence. */
interface Fine extends Check {
  status: "ok";
  found: string;
}

/**
 * `problem`: something does not work or is not safe. `warning`: it works, but should not stay like this. `not checked`: it could not
 * be checked from here, e.g. without network.
 */
interface Objected extends Check, Problem {
  status: "warning" | "problem" | "not checked";
  /** Exit code of the command for a problem. @default `settings` */
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

/** Converts problems to findings, each with its own subject; without problems, one finding with the text `fine`. */
export function fromProblems(about: Check, problems: readonly Problem[], fine: string): Finding[] {
  if (problems.length === 0) return [ok(about, fine)];
  return problems.map((each) => {
    return { ...about, status: "problem", ...problemJson(each), subject: each.subject || about.subject };
  });
}

/** Runs a check and converts a UserError or system error to findings. Bugs are rethrown. */
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

/** A finding for a check that could not be made. @throws the error itself if it is not a UserError */
export function unanswered(about: Check, error: unknown, why: string): Finding {
  if (!(error instanceof UserError)) throw error;
  return notChecked(about, `${why}: ${messageOf(error)}`);
}

/** The command's exit code. @param strict count warnings and skipped checks too */
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
