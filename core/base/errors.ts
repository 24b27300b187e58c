import { type ExitCode, exitCodes } from "./exit-codes.ts";
import { codeOfExit, type Objection, type Problem, problemLine } from "./problem.ts";
import type { ProblemCode } from "./problem-codes.ts";

export type GivenProblem = Omit<Problem, "code"> & Partial<Pick<Problem, "code">>;

interface UserErrorOptions {
  exitCode?: ExitCode;
  details?: readonly string[];
  reasons?: readonly string[];
  cause?: unknown;
}

/**
 * An error for the user: the first line says what is wrong and what to do, `details` follow on separate lines.
 * Anything else that is thrown is a bug and is shown with its stack.
 */
export class UserError extends Error {
  override readonly name: string = "UserError";
  readonly exitCode: ExitCode;
  readonly details: readonly string[];
  /** Reasons that were already printed before the throw, one per line, for showing the error elsewhere. */
  readonly reasons: readonly string[];
  /** The first line as data. */
  readonly headline: GivenProblem;
  /** All problems, including the first line. */
  readonly problems: readonly Problem[];

  /**
   * @param given plain text is a problem without a subject
   * @param options.problems replaces `given` when there is more than one. The default code comes from the exit code.
   */
  constructor(given: string | GivenProblem, options: UserErrorOptions & { problems?: readonly Problem[] } = {}) {
    const headline = typeof given === "string" ? { subject: "", problem: given } : given;
    super(
      [problemLine(headline), ...(options.details ?? []).map((line) => `  ${line}`)].join("\n"),
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.exitCode = options.exitCode ?? exitCodes.failed;
    this.details = options.details ?? [];
    this.reasons = options.reasons ?? [];
    this.headline = headline;
    this.problems = options.problems ?? [{ code: codeOfExit(this.exitCode), ...headline }];
  }
}

/** All settings problems of a run at once, so that they can be fixed in one go. */
export class SettingsError extends UserError {
  override readonly name = "SettingsError";

  /** @param outcome what the command has done so far, as a sentence */
  constructor(problems: readonly Problem[], outcome = "Nothing was changed.") {
    const count = problems.length === 1 ? "1 setting needs" : `${problems.length} settings need`;
    super(`${count} fixing. ${outcome}`, {
      exitCode: exitCodes.settings,
      details: problems.map(problemLine),
      problems,
    });
  }
}

/** True if the output of another program, such as the engine, contains the message of a {@link SettingsError}. */
export const isOfSettingsError = (text: string): boolean =>
  /(?:^|\n)(?:1 setting needs|\d+ settings need) fixing\. Nothing was changed\./.test(text);

/** The message of any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * Turns a thrown error into an objection, for a caller that adds its own subject.
 * @param code used if the error has no better one
 */
export function objectionOf(error: unknown, code: ProblemCode): Objection {
  const [problem, ...more] = error instanceof UserError ? error.problems : [];
  if (!problem || more.length > 0) return { code, problem: messageOf(error) };
  const { fix, ...rest } = problem;
  return {
    code: rest.subject === "" ? code : rest.code,
    problem: problemLine(rest),
    ...(fix !== undefined && { fix }),
  };
}

/** True for an error of `node:fs` or `node:net` with one of these codes, e.g. `ENOENT`. */
export function hasCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && "code" in error && typeof error.code === "string" && codes.includes(error.code);
}
