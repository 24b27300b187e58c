import { z } from "zod";
import { messageOf } from "../errors.ts";
import { RequestBudget } from "../hetzner/budget.ts";
import { type RetryLimits, retryingFetch } from "../hetzner/retrying-fetch.ts";
import { parseJson } from "../text/json.ts";
import { TailnetApiError, type TailnetService } from "./errors.ts";

/** How requests are sent, apart from the credentials. */
export interface SendingOptions {
  /** @default 5 attempts, at most 10 s apart, each for 30 s */
  limits?: RetryLimits;
  signal?: AbortSignal;
}

interface Asked {
  /** Completes "could not …", e.g. `list the devices`. */
  what: string;
  /** Below the base URL, without a slash in front. */
  path: string;
  method?: "GET" | "POST" | "DELETE";
  headers: Readonly<Record<string, string>>;
  /** Sent as JSON, or as a form if it is `URLSearchParams`. */
  body?: unknown;
}

/** A client for one service, with how many requests it has sent. */
export interface Sender {
  readonly sent: number;
  /** @returns the answer, checked @throws TailnetApiError for every other answer, and for none */
  ask: <T>(asked: Asked, answer: z.ZodType<T>) => Promise<T>;
}

/** Transient by their meaning. 500 as well: headscale answers it for errors of its database, such as a lock. */
const retriedStatuses = [429, 500, 502, 503, 504];

/**
 * Sends requests to one service, as our client for Hetzner does: what is temporary is tried again, with growing pauses and a limit, and
 * a request that creates something is never sent twice unless it was refused.
 */
export function createSender(service: TailnetService, base: string, { limits, signal }: SendingOptions): Sender {
  const count = { sent: 0 };
  const send = retryingFetch({
    limits: limits ?? { attempts: 5, maxWaitSeconds: 10 },
    // Neither service reports a limit in its headers; the budget then never waits.
    budget: new RequestBudget(),
    tell: () => undefined,
    signal,
    statuses: retriedStatuses,
  });
  return {
    get sent() {
      return count.sent;
    },
    async ask({ what, path, method = "GET", headers, body }, answer) {
      const form = body instanceof URLSearchParams;
      // A redirect could lead the credentials to another server.
      const request = new Request(`${base.replace(/\/+$/, "")}/${path}`, {
        method,
        redirect: "error",
        headers: {
          accept: "application/json",
          "user-agent": "clawdlets",
          ...headers,
          ...(body !== undefined && !form && { "content-type": "application/json" }),
        },
        ...(body !== undefined && { body: form ? body : JSON.stringify(body) }),
      });
      count.sent += 1;
      const response = await send(request).catch((cause: unknown) => {
        signal?.throwIfAborted();
        const reason = cause instanceof Error && cause.cause !== undefined ? `: ${messageOf(cause.cause)}` : "";
        throw new TailnetApiError(service, what, { status: 0, said: `${messageOf(cause)}${reason}`, cause });
      });
      const text = await response.text();
      if (!response.ok) throw new TailnetApiError(service, what, { status: response.status, said: saidIn(text) });
      const parsed = answer.safeParse(parseJson(text === "" ? "{}" : text));
      if (parsed.success) return parsed.data;
      const said = "its answer is not what its API describes";
      throw new TailnetApiError(service, what, { status: response.status, said });
    },
  };
}

/** `message` in both APIs, `error_description` where Tailscale gives out tokens; headscale's 401 is plain text. */
const errorBody = z.object({ message: z.string().optional(), error_description: z.string().optional() });

function saidIn(text: string): string {
  const { message, error_description: described } = errorBody.safeParse(parseJson(text)).data ?? {};
  return message ?? described ?? (text.startsWith("<") || text.startsWith("{") ? "" : text);
}

/** @returns undefined for what does not exist, or no longer */
export async function unlessUnknown<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof TailnetApiError && error.status === 404) return undefined;
    throw error;
  }
}
