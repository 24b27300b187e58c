import { setTimeout as sleep } from "node:timers/promises";

/** What is known of a project's request limit: 3600 an hour, refilled by one a second, bursts allowed. */
interface Known {
  limit: number;
  /** At `atMs`; may have a fraction. */
  remaining: number;
  perSecond: number;
  /** By a clock that nobody sets. */
  atMs: number;
}

/** Says what is waited for, and for how long; called for waits that a person notices. */
export type TellWait = (text: string) => void;

/** Shorter ones are not worth a line. */
const noticedSeconds = 2;

/**
 * The request limit of one Hetzner project as this process knows it: from the RateLimit headers of the last answer, less what
 * is under way, plus what has come back since. Others use up the same limit, which the next answer shows.
 */
export class RequestBudget {
  #known: Known | undefined;
  #underWay = 0;
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Requests that may be sent now, as far as is known; undefined before the first answer. */
  get remaining(): number | undefined {
    if (!this.#known) return undefined;
    const { limit, remaining, perSecond, atMs } = this.#known;
    return Math.min(limit, remaining + ((this.#now() - atMs) / 1000) * perSecond);
  }

  /** Requests in a full bucket, which is those of an hour. */
  get limit(): number | undefined {
    return this.#known?.limit;
  }

  /** How long it takes until `count` may be sent, in seconds; 0 when they may be now, or nothing is known. */
  secondsUntil(count: number): number {
    const { remaining } = this;
    if (!this.#known || remaining === undefined || remaining >= count) return 0;
    return (count - remaining) / this.#known.perSecond;
  }

  /** Waits until a request may be sent, and counts it. The caller hands the answer to {@link answered}, also where there is none. */
  async take(tell: TellWait, signal?: AbortSignal): Promise<void> {
    for (let seconds = this.secondsUntil(1); seconds > 0; seconds = this.secondsUntil(1)) {
      if (seconds >= noticedSeconds) tell(waitText(seconds, this.#known?.limit ?? 0));
      await sleep(Math.ceil(seconds * 1000), undefined, signal ? { signal } : {});
    }
    signal?.throwIfAborted();
    this.#underWay += 1;
    if (this.#known) this.#known = { ...this.#known, remaining: (this.remaining ?? 0) - 1, atMs: this.#now() };
  }

  /** What the answer says of the limit is true from now on, less the requests that are still under way. */
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

/** The budget of a project: one for all clients of this process. A project is known by its token. */
export function budgetOf(endpoint: string, token: string): RequestBudget {
  const key = `${endpoint} ${token}`;
  const budget = budgets.get(key) ?? new RequestBudget();
  budgets.set(key, budget);
  return budget;
}

/** An hour's requests come back in an hour; a reset that is further away than that means they come slower. */
function refillOf(limit: number, remaining: number, toFull: number | undefined): number {
  const hourly = limit / 3600;
  const missing = limit - remaining;
  return toFull === undefined || toFull <= 0 || missing <= 0 ? hourly : Math.min(hourly, missing / toFull);
}

/** By the answer's own clock, since ours may be wrong. */
function secondsToFull(headers: Headers | undefined): number | undefined {
  const reset = headerNumber(headers, "RateLimit-Reset");
  const date = Date.parse(headers?.get("Date") ?? "");
  return reset === undefined || Number.isNaN(date) ? undefined : reset - date / 1000;
}

function headerNumber(headers: Headers | undefined, name: string): number | undefined {
  const text = headers?.get(name) ?? "";
  return /^[0-9]{1,12}$/.test(text) ? Number(text) : undefined;
}
