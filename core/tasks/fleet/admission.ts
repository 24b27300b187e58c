import { setTimeout as sleep } from "node:timers/promises";
import { waitText } from "../../base/hetzner/budget.ts";

/** The project's request limit, as reported by Hetzner. */
export interface LimitSeen {
  limit: number;
  remaining: number;
}

/** Lets a host start once its requests fit into the limit; the host returns its share when it ends. */
export interface Admission {
  admit: (host: string, tell: (text: string) => void, signal: AbortSignal) => Promise<() => void>;
}

/**
 * Reserve for what must not wait: closing windows, and the operator's other commands. At most a tenth of the limit.
 */
const keptFree = (limit: number) => Math.min(60, Math.floor(limit / 10));

/** The limit is queried again if the last answer is older than this, since others may use the same project. */
const staleSeconds = 30;
const longestWaitSeconds = 60;

/** Waits until the time is over or the signal is aborted. */
async function waiting(seconds: number, signal: AbortSignal): Promise<void> {
  await sleep(seconds * 1000, undefined, { signal }).catch(() => undefined);
}

/**
 * Admission control that keeps many hosts under Hetzner's request limit. The provider is a separate process that only slows down
 * after it is refused, so hosts are admitted one after the other: each reserves the maximum number of requests it may need, and
 * starts once that many are left, not counting those that running hosts may still use.
 * @param requestsOf the maximum number of requests of a host; 0 is admitted at once
 * @param look gets the limit from Hetzner, which costs one request
 */
export function admission(
  requestsOf: (host: string) => number,
  look: (signal: AbortSignal) => Promise<LimitSeen | undefined>,
  { now = Date.now, wait = waiting }: { now?: () => number; wait?: typeof waiting } = {},
): Admission {
  /** Reservations of running hosts. */
  const atWork = new Set<{ requests: number }>();
  let freed = new AbortController();
  let seen: (LimitSeen & { atMs: number }) | undefined;
  /** Requests that hosts running at that time, or started since, may have used of it. */
  let committed = 0;

  const refreshed = async (signal: AbortSignal): Promise<void> => {
    const found = await look(signal);
    seen = found && { ...found, atMs: now() };
    committed = [...atWork].reduce((sum, { requests }) => sum + requests, 0);
  };
  /** How many requests are missing for a host that needs `requests`. */
  const missing = (requests: number): number => {
    if (!seen) return 0; // Hetzner could not be reached: the host's own run reports why.
    const most = seen.limit - keptFree(seen.limit);
    const back = ((now() - seen.atMs) / 1000) * (seen.limit / 3600);
    // Cap at the limit: a full bucket does not refill.
    const free = Math.min(seen.limit, seen.remaining + back) - keptFree(seen.limit) - committed;
    return Math.min(requests, most) - free;
  };

  let turn = Promise.resolve();
  const admitOne = async (host: string, tell: (text: string) => void, signal: AbortSignal) => {
    const reservation = { requests: requestsOf(host) };
    if (reservation.requests > 0) {
      for (let first = true; ; first = false) {
        const isOld = seen === undefined || now() - seen.atMs > staleSeconds * 1000;
        if (!first || isOld || missing(reservation.requests) > 0) await refreshed(signal);
        const lacking = missing(reservation.requests);
        if (lacking <= 0 || seen === undefined) break;
        // The next query costs one request as well.
        const seconds = ((lacking + 1) * 3600) / seen.limit;
        tell(
          `${waitText(seconds, seen.limit)}: ${seen.remaining} left, ${committed} of them reserved by running hosts`,
        );
        await wait(Math.min(seconds, longestWaitSeconds), AbortSignal.any([signal, freed.signal]));
        signal.throwIfAborted();
      }
      // In a small project, a host may need more than the whole limit: then it runs alone.
      committed += reservation.requests;
      atWork.add(reservation);
    }
    return () => {
      atWork.delete(reservation);
      freed.abort();
      freed = new AbortController();
    };
  };
  return {
    admit(host, tell, signal) {
      const mine = turn.then(() => admitOne(host, tell, signal));
      turn = mine.then(
        () => undefined,
        () => undefined,
      );
      return mine;
    },
  };
}
