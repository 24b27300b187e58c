import type { Step } from "../../engine/progress/progress.ts";

export interface Row {
  id: string;
  parent: string | undefined;
  state: Step["state"];
  title: string;
  detail: string;
  limitSeconds: number | undefined;
  /** Milliseconds, of the same clock as `endedAt`. */
  startedAt: number;
  endedAt?: number;
}

/** The rows of a list, in the order in which they began. */
export class Rows {
  readonly #rows = new Map<string, Row>();

  apply({ id, parent, state, title, detail, limitSeconds }: Step, now: number): void {
    // A step that runs again, as `connect` after a rebuild, counts from its new start and goes to the end.
    if (state === "running" && this.#rows.get(id)?.endedAt !== undefined) this.#rows.delete(id);
    const row = this.#rows.get(id);
    if (!row && parent !== undefined) this.#endRunning((other) => other.parent === parent, "done", now);
    this.#rows.set(id, {
      id,
      parent,
      state,
      title: title ?? row?.title ?? "",
      detail: detail ?? (state === "running" ? (row?.detail ?? "") : ""),
      limitSeconds: limitSeconds ?? row?.limitSeconds,
      startedAt: row?.startedAt ?? now,
      ...(state !== "running" && { endedAt: now }),
    });
    if (state !== "running") this.#endRunning((other) => other.parent === id, state, now);
  }

  /** The end of everything. */
  end(state: "done" | "failed", now: number): void {
    this.#endRunning(() => true, state, now);
  }

  #endRunning(isMeant: (row: Row) => boolean, state: "done" | "failed", now: number): void {
    for (const row of this.#rows.values()) {
      if (row.state === "running" && isMeant(row)) Object.assign(row, { state, endedAt: now });
    }
  }

  /** Each row before its parts. The parts of what is done are over too, and are not shown. */
  shown(): Row[] {
    const all = [...this.#rows.values()];
    const top = all.filter(({ parent }) => parent === undefined || !this.#rows.has(parent));
    return top.flatMap((row) => [row, ...(row.state === "done" ? [] : all.filter(({ parent }) => parent === row.id))]);
  }
}
