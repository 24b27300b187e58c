import { setTimeout as sleep } from "node:timers/promises";

/** What we know about a project's request limit: 3600 an hour, refilled at one a second, bursts allowed (token bucket). */
interface Known {
  limit: number;
  /** At `atMs`; may be fractional. */
  remaining: number;
  perSecond: number;
  /** Monotonic clock. */
  atMs: number;
}

/** Prints what we are waiting for, and for how long. Only called for waits that a person notices. */
export type TellWait = (text: string) => void;

/** Shorter waits are not reported. */
const noticedSeconds = 2;

/**
 * Client-side rate limiter for one Hetzner project: the RateLimit headers of the last response, minus requests in flight, plus what
 * was refilled since. Other clients share the limit; the next response accounts for them.
 */
export class RequestBudget {
  #known: Known | undefined;
  #underWay = 0;
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Requests that may be sent now, as far as we know; undefined before the first response. */
  get remaining(): number | undefined {
    if (!this.#known) return undefined;
    const { limit, remaining, perSecond, atMs } = this.#known;
    return Math.min(limit, remaining + ((this.#now() - atMs) / 1000) * perSecond);
  }

  /** Requests in a full bucket: one hour's worth. */
  get limit(): number | undefined {
    return this.#known?.limit;
  }

  /** Seconds until `count` requests may be sent; 0 if they may be sent now, or before the first response. */
  secondsUntil(count: number): number {
    const { remaining } = this;
    if (!this.#known || remaining === undefined || remaining >= count) return 0;
    return (count - remaining) / this.#known.perSecond;
  }

  /** Waits until a request may be sent, and counts it. The caller must call {@link answered} afterwards, even if no response came. */
  async take(tell: TellWait, signal?: AbortSignal): Promise<void> {
    for (let seconds = this.secondsUntil(1); seconds > 0; seconds = this.secondsUntil(1)) {
      if (seconds >= noticedSeconds) tell(waitText(seconds, this.#known?.limit ?? 0));
      await sleep(Math.ceil(seconds * 1000), undefined, signal ? { signal } : {});
    }
    signal?.throwIfAborted();
    this.#underWay += 1;
    if (this.#known) this.#known = { ...this.#known, remaining: (this.remaining ?? 0) - 1, atMs: this.#now() };
  }

  /** Takes over the limit that the response reports, minus the requests that are still in flight. */
  answered(headers?: Headers): void {
    this.#underWay = Math.max(0, this.#underWay - 1);
    const limit = headerNumber(headers, "RateLimit-Limit");
    const remaining = headerNumber(headers, "RateLimit-Remaining");
    if (limit === undefined || limit < 1 || remaining === undefined) return;
    const perSecond = refillOf(limit, remaining, secondsToFull(headers));
    this.#known = { limit, remaining: remaining - this.#underWay, perSecond, atMs: this.#now() };
  }
}

export function waitText(seconds: number, limit: number): string {
  return `waiting ${Math.ceil(seconds)} s for Hetzner's request limit (${limit} an hour for the whole project)`;
}

const budgets = new Map<string, RequestBudget>();

/** The budget of a project, shared by all clients in this process. A project is identified by its token. */
export function budgetOf(endpoint: string, token: string): RequestBudget {
  const key = `${endpoint} ${token}`;
  const budget = budgets.get(key) ?? new RequestBudget();
  budgets.set(key, budget);
  return budget;
}

/** The bucket refills within an hour. If the reset is further away than that, it refills more slowly. */
function refillOf(limit: number, remaining: number, toFull: number | undefined): number {
  const hourly = limit / 3600;
  const missing = limit - remaining;
  return toFull === undefined || toFull <= 0 || missing <= 0 ? hourly : Math.min(hourly, missing / toFull);
}

/** Measured by the server's clock (`Date` header), since ours may be wrong. */
function secondsToFull(headers: Headers | undefined): number | undefined {
  const reset = headerNumber(headers, "RateLimit-Reset");
  const date = Date.parse(headers?.get("Date") ?? "");
  return reset === undefined || Number.isNaN(date) ? undefined : reset - date / 1000;
}

function headerNumber(headers: Headers | undefined, name: string): number | undefined {
  const text = headers?.get(name) ?? "";
  return /^[0-9]{1,12}$/.test(text) ? Number(text) : undefined;
}
