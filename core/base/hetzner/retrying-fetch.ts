import { setTimeout as sleep } from "node:timers/promises";
import pRetry from "p-retry";
import { z } from "zod";
import { parseJson } from "../text/json.ts";
import type { RequestBudget, TellWait } from "./budget.ts";

/**
 * Error codes that mean "try again later". hcloud-go does not retry `locked` and `unavailable`, so closing a firewall on a
 * busy server fails there (retry tests of hcloud-go v2.47.0).
 */
const retriedCodes = ["rate_limit_exceeded", "conflict", "locked", "unavailable", "bad_gateway", "timeout"];
const retriedStatuses = [429, 502, 503, 504];

/** Maximum number of attempts, and the longest pause between two, in seconds. */
export interface RetryLimits {
  attempts: number;
  maxWaitSeconds: number;
  /** Timeout of one attempt, in seconds. @default 30 */
  trySeconds?: number;
}

/** An error response that is worth retrying. */
class Again extends Error {
  readonly response: Response;
  readonly waitSeconds: number;
  constructor(response: Response, waitSeconds: number) {
    super(`HTTP ${response.status}`);
    this.response = response;
    this.waitSeconds = waitSeconds;
  }
}

/** The conditions under which a request is sent. */
export interface Sending {
  limits: RetryLimits;
  /** Each attempt takes one request from it, and waits until one is available. */
  budget: RequestBudget;
  tell: TellWait;
  signal?: AbortSignal | undefined;
  /** Statuses that mean "try again later". @default 429, 502, 503 and 504 */
  statuses?: readonly number[];
}

/**
 * `fetch` that retries what Hetzner marks as temporary, with exponential backoff and jitter. A request whose response
 * was lost is only sent again if it is idempotent: never a create.
 */
export function retryingFetch(sending: Sending): (request: Request) => Promise<Response> {
  const { limits, signal } = sending;
  return async (request) => {
    const repeatable = request.method !== "POST" || request.url.includes("/actions/");
    try {
      return await pRetry(() => once(request.clone(), sending), {
        retries: limits.attempts - 1,
        factor: 2,
        minTimeout: 250,
        maxTimeout: limits.maxWaitSeconds * 1000,
        randomize: true,
        ...(signal && { signal }),
        shouldRetry: ({ error }) => error instanceof Again || repeatable || isUnsent(error),
        onFailedAttempt: async ({ error, retriesLeft }) => {
          if (error instanceof Again && retriesLeft > 0) await pause(error.waitSeconds, signal);
        },
      });
    } catch (error) {
      if (error instanceof Again) return error.response;
      throw error;
    }
  };
}

async function once(
  request: Request,
  { limits, budget, tell, signal, statuses = retriedStatuses }: Sending,
): Promise<Response> {
  await budget.take(tell, signal);
  let response: Response | undefined;
  try {
    const timeout = AbortSignal.timeout((limits.trySeconds ?? 30) * 1000);
    response = await fetch(request, { signal: signal ? AbortSignal.any([signal, timeout]) : timeout });
  } finally {
    budget.answered(response?.headers);
  }
  if (response.ok || !(await isWorthAnotherTry(response, statuses))) return response;
  throw new Again(response, Math.min(secondsUntilReset(response), limits.maxWaitSeconds));
}

async function isWorthAnotherTry(response: Response, statuses: readonly number[]): Promise<boolean> {
  const code = errorCodeOf(await response.clone().text());
  return statuses.includes(response.status) || (code !== undefined && retriedCodes.includes(code));
}

const errorBody = z.object({ error: z.object({ code: z.string() }) });

function errorCodeOf(body: string): string | undefined {
  // Not JSON, such as a proxy's HTML page: the status decides.
  return errorBody.safeParse(parseJson(body)).data?.error.code;
}

/** Hetzner refills one request a second. RateLimit-Reset is when the bucket is full, long after one request is available. */
function secondsUntilReset(response: Response): number {
  if (response.status !== 429) return 0;
  const retryAfter = Number(response.headers.get("Retry-After") ?? "");
  return retryAfter > 0 ? retryAfter : 1;
}

/** True if no connection was made, so the request cannot have had an effect. */
function isUnsent(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return (
    cause instanceof Error && "code" in cause && ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN"].includes(String(cause.code))
  );
}

async function pause(seconds: number, signal: AbortSignal | undefined): Promise<void> {
  if (seconds <= 0) return;
  await sleep(seconds * 1000, undefined, signal ? { signal } : {});
}
