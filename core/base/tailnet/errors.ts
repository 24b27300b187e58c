import { UserError } from "../errors.ts";
import { exitCodes } from "../exit-codes.ts";
import type { ProblemCode } from "../problem-codes.ts";
import { safeText } from "../wording.ts";

/** Whose API answers. */
export type TailnetService = "Tailscale" | "headscale";

/** An error of the tailnet's API. Branch on `status`; 0 means that nothing answered. */
export class TailnetApiError extends UserError {
  override readonly name = "TailnetApiError";
  readonly status: number;

  /** @param what completes "could not …", e.g. `mint an auth key` @param said the service's own words */
  constructor(
    service: TailnetService,
    what: string,
    { status, said, cause }: { status: number; said: string; cause?: unknown },
  ) {
    const { code, fix } = kindOf(service, status);
    const reason = safeText(said, 300).trim() || "no reason given";
    const problem =
      status === 0
        ? `could not ${what}: ${service}'s API did not answer (${reason}).`
        : `${service} refused to ${what}: ${reason} (HTTP ${status}).`;
    super(
      { code, subject: "", problem, ...(fix !== undefined && { fix }) },
      { exitCode: exitCodes.api, ...(cause !== undefined && { cause }) },
    );
    this.status = status;
  }
}

const fixes = {
  Tailscale: {
    unauthorized:
      "Check TAILSCALE_OAUTH_CLIENT_ID and TAILSCALE_OAUTH_CLIENT_SECRET in .clawdlets/.env: the OAuth client may have been revoked.",
    forbidden:
      "Give the OAuth client the scopes auth_keys and devices:core, both with write access, and the tags in clawdlets:tailnetTags (tag:bot-host if there are none).",
    down: "Run the same command again in a few minutes. See status.tailscale.com.",
  },
  headscale: {
    unauthorized:
      "Check HEADSCALE_API_KEY in .clawdlets/.env: it may have expired. Make a new one on the control server: headscale apikeys create",
    forbidden: "Check what stands in front of headscale: its API keys themselves may do everything.",
    down: "Check that headscale runs at clawdlets:tailnetLoginServer, and that this machine trusts its certificate (NODE_EXTRA_CA_CERTS).",
  },
} as const;

function kindOf(service: TailnetService, status: number): { code: ProblemCode; fix?: string } {
  const { unauthorized, forbidden, down } = fixes[service];
  if (status === 401) return { code: "tailnet-unauthorized", fix: unauthorized };
  if (status === 403) return { code: "tailnet-forbidden", fix: forbidden };
  if (status === 0 || status === 429 || status >= 500) return { code: "tailnet-api", fix: down };
  return { code: "tailnet-api" };
}
