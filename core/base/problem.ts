import { type ExitCode, exitCodes } from "./exit-codes.ts";
import type { ProblemCode } from "./problem-codes.ts";
import { shown } from "./wording.ts";

/** One thing that is wrong, as data. Decide on `code`; the words are for people and change. */
export interface Problem {
  code: ProblemCode;
  /** What has the problem: a file as a person would name it, a host, or e.g. `the environment`. */
  subject: string;
  /** The setting as it is typed, e.g. `clawdlets:serverType` or `hosts.web.opentofu.adminCidr`. Left out: the whole subject. */
  setting?: string;
  /** The place in a text file; the line counts from 1. */
  at?: { file: string; line: number };
  /** What is wrong with which value, and what is allowed. */
  problem: string;
  /** What to do or to type, as a sentence of its own. */
  fix?: string;
}

/** `Problem` without its subject and setting, for functions that check a value and do not know where it was read. */
export type Objection = Pick<Problem, "code" | "problem" | "fix">;

/** True where both say the same of the same thing, in whatever words. */
export function isSameProblem(one: Problem, other: Problem): boolean {
  return one.code === other.code && one.subject === other.subject && one.setting === other.setting;
}

/** Problem and fix, without what has it. */
export function problemSentence({ problem, fix }: Pick<Problem, "problem" | "fix">): string {
  return fix === undefined ? problem : `${problem} ${fix}`;
}

/** One line for a terminal: `stacks/Pulumi.web-1.yaml: clawdlets:serverType: is "cx99"; allowed: … Fix.` */
export function problemLine({ subject, setting, ...problem }: Omit<Problem, "code">): string {
  return [subject, setting, problemSentence(problem)].filter((part) => part !== undefined && part !== "").join(": ");
}

/** One entry of a Markdown list, in which nothing of the text is markup. `at` becomes `file:line`. */
export function problemMarkdown({ at, ...problem }: Omit<Problem, "code">): string {
  const subject = at ? `${at.file}:${at.line}` : problem.subject;
  return `- ${markdownText(problemLine({ ...problem, subject }))}`;
}

/** What `--json` says of a problem; these keys are stable. */
export function problemJson({ code, subject, setting, at, problem, fix }: Problem): Problem {
  return {
    code,
    subject,
    ...(setting !== undefined && { setting }),
    ...(at && { at }),
    problem,
    ...(fix !== undefined && { fix }),
  };
}

/** Text of others in a pull request's comment: no link, mention, row or heading can be written with it. */
export function markdownText(text: string): string {
  return shown(text)
    .replace(/[\\`*_{}[\]<>()#+!|~]/g, "\\$&")
    .replace(/\bhttps?:/g, "$&\u200b")
    .replaceAll("@", "@\u200b");
}

/** The code of what has none of its own: that of the command's end. */
export function codeOfExit(exitCode: ExitCode): ProblemCode {
  return byExit.get(exitCode) ?? "failed";
}

const byExit = new Map<ExitCode, ProblemCode>(
  (["usage", "settings", "engine", "busy", "api", "install", "open", "returned", "unseen", "unknown"] as const).map(
    (code) => [exitCodes[code], code],
  ),
);
