import createClient, { type Client } from "openapi-fetch";
import { messageOf, UserError } from "../errors.ts";
import { exitCodes } from "../exit-codes.ts";
import { printable } from "../wording.ts";
import type { paths } from "./_generated/api.d.ts";
import { budgetOf, type TellWait } from "./budget.ts";
import { endpointWarning } from "./endpoint.ts";
import { HetznerApiError } from "./errors.ts";
import { type RetryLimits, retryingFetch } from "./retrying-fetch.ts";

/** Hetzner's API, typed from its OpenAPI description. For calls outside the engine: windows, checks, adoption. */
export type Hetzner = Client<paths, `${string}/${string}`>;

export interface HetznerOptions {
  /** Base URL with version, e.g. `https://api.hetzner.cloud/v1`. */
  endpoint: string;
  /** Only ever sent as a bearer token: never part of errors or logs. */
  token: string;
  /** @default 8 attempts, at most 15 s apart */
  limits?: RetryLimits;
  signal?: AbortSignal;
  /** Called when Hetzner's request limit makes us wait. @default prints a line on standard error */
  tell?: TellWait;
}

/** How each client was made. */
const made = new WeakMap<Hetzner, HetznerOptions>();

export function createHetzner(options: HetznerOptions): Hetzner {
  const { endpoint, token, limits, signal, tell } = options;
  warnOnce(endpoint);
  const client: Hetzner = createClient<paths>({
    baseUrl: endpoint.replace(/\/+$/, ""),
    headers: { authorization: `Bearer ${token}`, "user-agent": "clawdlets" },
    fetch: retryingFetch({
      limits: limits ?? { attempts: 8, maxWaitSeconds: 15 },
      budget: budgetOf(endpoint, token),
      tell: tell ?? ((text) => void process.stderr.write(`${printable(text)}\n`)),
      signal,
    }),
  });
  made.set(client, options);
  return client;
}

/** The same client, except that it sends each request once: for a caller who can do something better than try again. */
export function withoutRetries(hetzner: Hetzner): Hetzner {
  const options = made.get(hetzner);
  if (!options) throw new Error("this client was not made by createHetzner");
  return createHetzner({ ...options, limits: { maxWaitSeconds: 0, ...options.limits, attempts: 1 } });
}

const warned = new Set<string>();

/** Always on standard error, no matter what `tell` is: a progress bar must not hide that the token goes to a third party. */
function warnOnce(endpoint: string): void {
  const warning = warned.has(endpoint) ? undefined : endpointWarning(endpoint);
  warned.add(endpoint);
  if (warning !== undefined) process.stderr.write(`${printable(`warning: ${warning}`)}\n`);
}

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/**
 * The response's data, or an error that says what failed.
 * @param what completes "could not …", e.g. `open the window`
 * @throws HetznerApiError if Hetzner refused, UserError if it could not be reached
 */
export async function answerOf<T>(what: string, call: Promise<Answer<T>>): Promise<T> {
  const answer = await call.catch((error: unknown) => {
    const cause = error instanceof Error && error.cause !== undefined ? `: ${messageOf(error.cause)}` : "";
    throw new UserError(`Could not ${what}: Hetzner's API did not answer (${messageOf(error)}${cause}).`, {
      exitCode: exitCodes.api,
      cause: error,
    });
  });
  if (answer.response.ok && (answer.data !== undefined || answer.response.status === 204)) return answer.data as T;
  const { code, message } = errorOf(answer.error);
  throw new HetznerApiError(what, answer.response.status, code, message);
}

function errorOf(body: unknown): { code: string; message: string } {
  const error = typeof body === "object" && body !== null && "error" in body ? body.error : undefined;
  const field = (name: "code" | "message") => {
    const value: unknown = typeof error === "object" && error !== null ? Reflect.get(error, name) : undefined;
    return typeof value === "string" ? value : undefined;
  };
  return { code: field("code") ?? "unknown", message: field("message") ?? "no reason given" };
}
