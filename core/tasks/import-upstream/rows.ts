import type { StackConfig } from "../../project/settings/stack-config/stack-config.ts";

/** One setting of upstream's, and what became of it. */
export interface Row {
  /** Its path there, e.g. `hosts.web-1.tailnet.mode`. */
  setting: string;
  /** Its place here. */
  to?: string;
  note?: string;
}

/** What became of upstream's settings. */
export interface Rows {
  /** Under the same name. */
  carried: Row[];
  /** Under another name, or in another file. */
  renamed: Row[];
  /** Has a place here, and you have to write it there: it is local, or a choice. */
  byHand: Row[];
  /** Nothing here does this. */
  missing: Row[];
}

export const noRows = (): Rows => ({ carried: [], renamed: [], byHand: [], missing: [] });

/** Adds to each kind of row. `to` may have more than rows. */
export function addRows(to: Rows, more: Partial<Rows>): void {
  for (const kind of Object.keys(noRows()) as (keyof Rows)[]) to[kind].push(...(more[kind] ?? []));
}

/** A setting's value at its path: objects are walked through, lists are values. */
export interface Leaf {
  path: readonly string[];
  value: unknown;
}

export function leavesOf(value: unknown, path: readonly string[] = []): Leaf[] {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isObject || Object.keys(value).length === 0) return [{ path, value }];
  // Of a feature that is off, its other settings say nothing.
  const { enable, enabled }: { enable?: unknown; enabled?: unknown } = value;
  if (path.length > 0 && (enable === false || enabled === false)) return [{ path, value: null }];
  return Object.entries(value).flatMap(([key, each]) => leavesOf(each, [...path, key]));
}

/** Off or empty: needs nothing here. Of other flags, false is an answer. */
export const isUnset = ({ path, value }: Leaf): boolean =>
  value === null ||
  value === "" ||
  (value === false && /^(enabled?|adminCidrAllowWorldOpen)$/.test(path.at(-1) ?? "")) ||
  (typeof value === "object" && Object.keys(value).length === 0);

/** What to do with one setting. */
export type Outcome =
  | { set: Partial<Record<keyof StackConfig, unknown>>; name: string; note?: string }
  | { nix: string; name: string; note?: string }
  | { by: string; note: string }
  | { no: string };
