import { setTimeout as sleep } from "node:timers/promises";
import { waitText } from "../../base/hetzner/budget.ts";

/** What Hetzner says of the project's request limit. */
export interface LimitSeen {
  limit: number;
  remaining: number;
}

/** Lets a host begin once its requests fit; the host hands its share back when it ends. */
export interface Admission {
  admit: (host: string, tell: (text: string) => void, signal: AbortSignal) => Promise<() => void>;
}

/**
 * Kept free for what must not wait: closing windows, and the operator's other commands. A tenth of a small limit.
 */
const keptFree = (limit: number) => Math.min(60, Math.floor(limit / 10));

/** What begins while hosts are at work is looked at anew after this, since others may use the same project. */
const staleSeconds = 30;
const longestWaitSeconds = 60;

/** Until the time is over or the signal comes, whichever is first. */
async function waiting(seconds: number, signal: AbortSignal): Promise<void> {
  await sleep(seconds * 1000, undefined, { signal }).catch(() => undefined);
}

/**
 * Keeps many hosts under Hetzner's request limit. The provider is another process that counts nothing before it is refused, so
 * hosts are let in one after the other: each reserves the most requests it may need, and begins when what Hetzner says is left,
 * less what those at work may still use, is as much.
 * @param requestsOf the most requests a host may need; 0 is let in at once
 * @param look asks Hetzner, which costs one request
 */
export function admission(
  requestsOf: (host: string) => number,
  look: (signal: AbortSignal) => Promise<LimitSeen | undefined>,
  { now = Date.now, wait = waiting }: { now?: () => number; wait?: typeof waiting } = {},
): Admission {
  /** Reservations of hosts at work. */
  const atWork = new Set<{ requests: number }>();
  let freed = new AbortController();
  let seen: (LimitSeen & { atMs: number }) | undefined;
  /** What hosts at work then, or begun since, may have used of it. */
  let committed = 0;

  const refreshed = async (signal: AbortSignal): Promise<void> => {
    const found = await look(signal);
    seen = found && { ...found, atMs: now() };
    committed = [...atWork].reduce((sum, { requests }) => sum + requests, 0);
  };
  /** How many requests are missing for a host that needs `requests`. */
  const missing = (requests: number): number => {
    if (!seen) return 0; // Hetzner could not be asked: the host itself will say why.
    const most = seen.limit - keptFree(seen.limit);
    const back = ((now() - seen.atMs) / 1000) * (seen.limit / 3600);
    // What comes back meanwhile is not counted while the bucket may be full: it does not overflow.
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
        // The next look takes one as well.
        const seconds = ((lacking + 1) * 3600) / seen.limit;
        tell(`${waitText(seconds, seen.limit)}: ${seen.remaining} left, ${committed} of them for the hosts at work`);
        await wait(Math.min(seconds, longestWaitSeconds), AbortSignal.any([signal, freed.signal]));
        signal.throwIfAborted();
      }
      // A small project's whole limit may be less than a host may need: then it goes alone.
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
