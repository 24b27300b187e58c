import { z } from "zod";

const minutesIn = { m: 1, h: 60, d: 24 * 60 } as const;

/** The shortest is about what an installation takes. Minutes. */
const limits = { from: 10, to: 365 * minutesIn.d };

export const ttlAllowed = "allowed: whole minutes, hours or days, from 10m to 365d, e.g. 8h";

/** A time to live as text: `90m`, `8h` or `3d`. */
export const ttlText = z.string(ttlAllowed).refine((text) => {
  if (!/^[1-9][0-9]{0,5}[mhd]$/.test(text)) return false;
  const minutes = minutesOf(text);
  return minutes >= limits.from && minutes <= limits.to;
}, ttlAllowed);

/** @param text checked by {@link ttlText} */
export function minutesOf(text: string): number {
  return Number(text.slice(0, -1)) * minutesIn[text.slice(-1) as keyof typeof minutesIn];
}

/** When a host's time is over, in ISO 8601; undefined without a time to live, and before the host has a name. */
export function expiresAt(createdAt: string | undefined, ttlMinutes: number | undefined): string | undefined {
  if (createdAt === undefined || ttlMinutes === undefined) return undefined;
  return new Date(Date.parse(createdAt) + ttlMinutes * 60_000).toISOString();
}
