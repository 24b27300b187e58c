import { UserError } from "../errors.ts";
import { exitCodes } from "../exit-codes.ts";

/** What Hetzner answered when it refused. Decide on `code`, never on the text: newer texts carry a correlation id. */
export class HetznerApiError extends UserError {
  override readonly name = "HetznerApiError";
  readonly status: number;
  readonly code: string;

  constructor(what: string, status: number, code: string, message: string) {
    super(`Hetzner refused to ${what}: ${message} (${code}, HTTP ${status}).${adviceFor(code)}`, {
      exitCode: exitCodes.api,
    });
    this.status = status;
    this.code = code;
  }
}

function adviceFor(code: string): string {
  switch (code) {
    case "unauthorized":
      return " Check HCLOUD_TOKEN, in the environment and then in .clawdlets/.env: it may have been deleted in the console.";
    case "token_readonly":
    case "forbidden":
      return " The token in HCLOUD_TOKEN may only read: make one with read and write access.";
    case "rate_limit_exceeded":
      return " The project's 3600 requests an hour are used up: wait some minutes and run the same command again.";
    case "maintenance":
    case "unavailable":
      return " Run the same command again in some minutes; status.hetzner.com says more.";
    default:
      return "";
  }
}
