import { UserError } from "../errors.ts";
import { exitCodes } from "../exit-codes.ts";
import type { Problem } from "../problem.ts";
import type { ProblemCode } from "../problem-codes.ts";

/** An error response of Hetzner's API. Branch on `code`, never on the text: newer texts contain a correlation id. */
export class HetznerApiError extends UserError {
  override readonly name = "HetznerApiError";
  readonly status: number;
  /** Hetzner's own error code. */
  readonly code: string;
  readonly problem: Problem;

  constructor(what: string, status: number, code: string, message: string) {
    const { code: ours = "api", fix } = kinds[code] ?? {};
    const problem: Problem = {
      code: ours,
      subject: "",
      problem: `Hetzner refused to ${what}: ${message} (${code}, HTTP ${status}).`,
      ...(fix !== undefined && { fix }),
    };
    super(problem, { exitCode: exitCodes.api });
    this.status = status;
    this.code = code;
    this.problem = problem;
  }
}

const readOnly = {
  code: "api-read-only",
  fix: "The token in HCLOUD_TOKEN is read-only: create one with read and write access.",
} as const;

const down = {
  code: "api-unavailable",
  fix: "Run the same command again in a few minutes. See status.hetzner.com.",
} as const;

/** By Hetzner's error code; all others are `api`. */
const kinds: Readonly<Record<string, { code: ProblemCode; fix?: string }>> = {
  unauthorized: {
    code: "api-unauthorized",
    fix: "Check HCLOUD_TOKEN, in the environment and then in .clawdlets/.env: it may have been deleted in the console.",
  },
  token_readonly: readOnly,
  forbidden: readOnly,
  rate_limit_exceeded: {
    code: "api-rate-limited",
    fix: "The project's 3600 requests an hour are used up: wait a few minutes and run the same command again.",
  },
  maintenance: down,
  unavailable: down,
  not_found: { code: "not-at-hetzner" },
  uniqueness_error: { code: "name-taken" },
};
