/** One setting of upstream's, and what became of it. */
export interface Row {
  /** Its path there, e.g. `fleet.botOverrides.maren.skills.allowBundled`. */
  setting: string;
  /** Its place here. */
  to?: string;
  note?: string;
}

export interface Rows {
  /** Under the same name. */
  carried: Row[];
  /** Under another name, or in another file. */
  renamed: Row[];
  /** Has a place here, and you have to write it there. */
  byHand: Row[];
  /** Nothing here does this, or it cannot be taken as it is. */
  missing: Row[];
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Lays `more` over `target`, as nixpkgs' recursiveUpdate does: objects are merged, and everything else is replaced. */
export function mergedInto(target: Record<string, unknown>, more: Record<string, unknown>): void {
  for (const [key, value] of Object.entries(more)) {
    const before = Object.hasOwn(target, key) ? target[key] : undefined;
    if (isObject(before) && isObject(value)) mergedInto(before, value);
    else Object.defineProperty(target, key, { value, enumerable: true, writable: true, configurable: true });
  }
}
