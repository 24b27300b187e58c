import { type ExitCode, exitCodes } from "./exit-codes.ts";
import type { ProblemCode } from "./problem-codes.ts";
import { safeText } from "./wording.ts";

/** One problem as data. Branch on `code`; the text is for people and may change. */
export interface Problem {
  code: ProblemCode;
  /** What has the problem: a file relative to the project, a host, or e.g. `the environment`. */
  subject: string;
  /** The setting as a user types it, e.g. `clawdlets:serverType` or `hosts.web.opentofu.adminCidr`. Omitted: the whole subject. */
  setting?: string;
  /** The place in a text file; the line counts from 1. */
  at?: { file: string; line: number };
  /** The wrong value and what is allowed, as a sentence. */
  problem: string;
  /** What to do or type, as a separate sentence. */
  fix?: string;
}

/** `Problem` without subject and setting, for functions that check a value and do not know where it came from. */
export type Objection = Pick<Problem, "code" | "problem" | "fix">;

/** True if both report the same problem of the same thing, even in different words. */
export function isSameProblem(one: Problem, other: Problem): boolean {
  return one.code === other.code && one.subject === other.subject && one.setting === other.setting;
}

/** Problem and fix, without the subject. */
export function problemSentence({ problem, fix }: Pick<Problem, "problem" | "fix">): string {
  return fix === undefined ? problem : `${problem} ${fix}`;
}

/** One line for a terminal: `stacks/Pulumi.web-1.yaml: clawdlets:serverType: is "cx99"; allowed: … Fix.` */
export function problemLine({ subject, setting, ...problem }: Omit<Problem, "code">): string {
  return [subject, setting, problemSentence(problem)].filter((part) => part !== undefined && part !== "").join(": ");
}

/** One entry of a Markdown list, with all markup in the text escaped. `at` becomes `file:line`. */
export function problemMarkdown({ at, ...problem }: Omit<Problem, "code">): string {
  const subject = at ? `${at.file}:${at.line}` : problem.subject;
  return `- ${markdownText(problemLine({ ...problem, subject }))}`;
}

/** A problem as `--json` prints it; these keys are stable. */
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

/** Escapes untrusted text for a pull request comment (Markdown injection): no links, mentions, table rows or headings. */
export function markdownText(text: string): string {
  return safeText(text)
    .replace(/[\\`*_{}[\]<>()#+!|~]/g, "\\$&")
    .replace(/\bhttps?:/g, "$&\u200b")
    .replaceAll("@", "@\u200b");
}

/** The default code of a problem: that of the command's exit code. */
export function codeOfExit(exitCode: ExitCode): ProblemCode {
  return byExit.get(exitCode) ?? "failed";
}

const byExit = new Map<ExitCode, ProblemCode>(
  (["usage", "settings", "engine", "busy", "api", "install", "open", "returned", "unseen", "unknown"] as const).map(
    (code) => [exitCodes[code], code],
  ),
);
