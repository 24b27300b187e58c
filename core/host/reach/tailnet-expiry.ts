/** Days before the end of a node key from which we warn. */
const warnDays = 30;
const dayMs = 24 * 60 * 60 * 1000;

/** When a node's key ends: `expired`, or `soon` for less than 30 days. */
export interface Expiry {
  state: "expired" | "soon";
  /** e.g. `2026-12-01` */
  on: string;
  /** e.g. `3 days` */
  inWords: string;
}

/** @returns undefined if the key does not expire within 30 days, or at all */
export function expiryOf(
  { Expired, KeyExpiry }: { Expired: boolean; KeyExpiry?: string | null | undefined },
  now: Date,
): Expiry | undefined {
  const at = KeyExpiry ? Date.parse(KeyExpiry) : Number.NaN;
  // Go's zero time stands for a key that does not expire.
  const isKnown = Number.isFinite(at) && at > 0;
  const left = isKnown ? at - now.getTime() : Number.POSITIVE_INFINITY;
  if (!Expired && left > warnDays * dayMs) return undefined;
  const days = Math.max(0, Math.floor(left / dayMs));
  return {
    state: Expired || left <= 0 ? "expired" : "soon",
    on: isKnown ? new Date(at).toISOString().slice(0, 10) : "an unknown date",
    inWords: days === 0 ? "less than a day" : days === 1 ? "1 day" : `${days} days`,
  };
}
