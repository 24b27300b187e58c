import { counted } from "../../base/wording.ts";

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
  const at = endOf(KeyExpiry);
  const left = at === undefined ? Number.POSITIVE_INFINITY : at - now.getTime();
  if (!Expired && left > warnDays * dayMs) return undefined;
  const days = Math.max(0, Math.floor(left / dayMs));
  return {
    state: Expired || left <= 0 ? "expired" : "soon",
    on: at === undefined ? "an unknown date" : dayOf(at),
    inWords: days === 0 ? "less than a day" : counted(days, "day"),
  };
}

/** e.g. `2027-03-01`, or `never` */
export function lastDayOf({ KeyExpiry }: { KeyExpiry?: string | null | undefined }): string {
  const at = endOf(KeyExpiry);
  return at === undefined ? "never" : dayOf(at);
}

const dayOf = (at: number) => new Date(at).toISOString().slice(0, 10);

/** Go's zero time stands for a key that does not expire. */
function endOf(text: string | null | undefined): number | undefined {
  const at = Date.parse(text ?? "");
  return Number.isFinite(at) && at > 0 ? at : undefined;
}
