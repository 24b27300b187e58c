import { type ExitCode, exitCodes } from "./exit-codes.ts";

/**
 * An error made for a person: the first line says what is wrong and what to do, `details` follow on lines of their own.
 * Everything else that is thrown is a bug and is shown with its stack.
 */
export class UserError extends Error {
  override readonly name: string = "UserError";
  readonly exitCode: ExitCode;
  readonly details: readonly string[];
  /** What was already told before it was thrown, one per line, for showing the error elsewhere. */
  readonly reasons: readonly string[];

  constructor(
    message: string,
    options: { exitCode?: ExitCode; details?: readonly string[]; reasons?: readonly string[]; cause?: unknown } = {},
  ) {
    super(
      [message, ...(options.details ?? []).map((line) => `  ${line}`)].join("\n"),
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.exitCode = options.exitCode ?? exitCodes.failed;
    this.details = options.details ?? [];
    this.reasons = options.reasons ?? [];
  }
}

/** One thing that is wrong with one setting, in the words it will be shown with. */
export interface Problem {
  /** The setting as it is typed, e.g. `clawdlets:serverType` or `hosts.web.opentofu.adminCidr`. */
  setting: string;
  /** Where it was looked for, e.g. `stacks/Pulumi.web.yaml`. */
  where: string;
  /** What is wrong with which value, what is allowed and what to do, as one sentence. */
  message: string;
}

/** All settings problems of a run at once, so that they can be fixed in one go. */
export class SettingsError extends UserError {
  override readonly name = "SettingsError";
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    const count = problems.length === 1 ? "1 setting has" : `${problems.length} settings have`;
    super(`${count} to be mended; nothing was changed.`, {
      exitCode: exitCodes.settings,
      details: problems.map((problem) => `${problem.where}: ${problem.setting}: ${problem.message}`),
    });
    this.problems = problems;
  }
}

/** Whether a text that came by way of another program, as the engine, is of a {@link SettingsError}. */
export const isOfSettingsError = (text: string): boolean =>
  /(?:^|\n)(?:1 setting has|\d+ settings have) to be mended; nothing was changed\./.test(text);

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** True for the errors of `node:fs` and `node:net` with this `code`, e.g. `ENOENT`. */
export function hasCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && "code" in error && typeof error.code === "string" && codes.includes(error.code);
}
