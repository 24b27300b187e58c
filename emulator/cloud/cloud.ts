import { applyEffect, applyFailure } from "./effects.ts";
import { syncBindings } from "./firewall-bindings.ts";
import { Resources } from "./resources.ts";
import type { ActionRecord, Effect, Failure, Kind } from "./types.ts";

/** How many finished actions are remembered. Old ones are of no use to a client, and memory is counted. */
const ACTIONS_KEPT = 5000;

/** The emulated project: its resources, and the actions that change them in time. */
export class Cloud extends Resources {
  readonly #timers = new Map<number, NodeJS.Timeout>();
  readonly #locks = new Map<string, number>();
  #closed = false;

  /**
   * Starts an action. It ends on its own after `--action-ms`, and until then locks `locks` (by default its resources).
   * With `--action-ms 0` it has ended when this returns.
   */
  startAction(given: {
    command: string;
    resources: { id: number; type: Kind }[];
    effect?: Effect;
    locks?: { id: number; type: Kind }[];
    durationMs?: number;
    fault?: ActionFault | null;
  }): ActionRecord {
    const action: ActionRecord = {
      id: this.nextId("action"),
      command: given.command,
      status: "running",
      started: this.now(),
      finished: null,
      durationMs: given.fault?.durationMs ?? given.durationMs ?? this.actionMs,
      resources: given.resources,
      error: null,
      effect: given.fault?.withoutEffect ? null : (given.effect ?? null),
      willFail: given.fault?.error ?? null,
    };
    this.actions.set(action.id, action);
    if (this.actions.size > ACTIONS_KEPT) this.#forgetOldActions();
    for (const lock of given.locks ?? given.resources) this.#locks.set(`${lock.type}:${lock.id}`, action.id);
    if (action.durationMs <= 0) this.#finish(action);
    else this.#schedule(action, action.durationMs);
    this.onChange();
    return action;
  }

  /** The running action that holds a resource, if one does. */
  lockOf(type: Kind, id: number): ActionRecord | null {
    const actionId = this.#locks.get(`${type}:${id}`);
    if (actionId === undefined) return null;
    const action = this.actions.get(actionId);
    return action?.status === "running" ? action : null;
  }

  progress(action: ActionRecord): number {
    if (action.status !== "running") return 100;
    const elapsed = Date.now() - Date.parse(action.started);
    return Math.max(0, Math.min(95, Math.floor((elapsed / action.durationMs) * 100)));
  }

  /** To be called when firewalls, labels, addresses or servers changed. */
  networkChanged(): void {
    // A match by label that nobody asked for (a label was set, a server created) lags as in the real API.
    for (const { firewall, servers } of syncBindings(this)) {
      this.startAction({
        command: "apply_firewall",
        resources: [{ id: firewall, type: "firewall" }],
        effect: { do: "firewall.apply", firewall, servers },
        locks: [],
      });
    }
    this.machines?.networkChanged();
    this.onChange();
  }

  /** Runs actions that were running when the state was saved to their end. */
  resume(): void {
    for (const action of this.actions.values()) {
      if (action.status !== "running") continue;
      for (const resource of action.resources) this.#locks.set(`${resource.type}:${resource.id}`, action.id);
      this.#schedule(action, Math.max(0, Date.parse(action.started) + action.durationMs - Date.now()));
    }
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  #schedule(action: ActionRecord, delayMs: number): void {
    this.#timers.set(
      action.id,
      setTimeout(() => {
        this.#timers.delete(action.id);
        if (!this.#closed) this.#finish(action);
      }, delayMs),
    );
  }

  #finish(action: ActionRecord): void {
    action.finished = this.now();
    for (const [key, holder] of this.#locks) if (holder === action.id) this.#locks.delete(key);
    if (action.willFail !== null) {
      action.status = "error";
      action.error = action.willFail;
      if (action.effect !== null) applyFailure(this, action.effect);
    } else {
      action.status = "success";
      if (action.effect !== null) applyEffect(this, action.effect);
    }
    this.onChange();
  }

  #forgetOldActions(): void {
    for (const [id, action] of this.actions) {
      if (this.actions.size <= ACTIONS_KEPT / 2) return;
      if (action.status !== "running") this.actions.delete(id);
    }
  }
}

/** What fault injection asks of the actions that a request starts. */
export interface ActionFault {
  error?: Failure;
  durationMs?: number;
  /** Succeed without doing anything. */
  withoutEffect?: boolean;
}
