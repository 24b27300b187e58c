import type { Addresses } from "./addresses.ts";
import { addresses } from "./addresses.ts";
import { applyEffect, applyFailure } from "./effects.ts";
import { syncBindings } from "./firewall-bindings.ts";
import type {
  ActionRecord,
  Effect,
  Failure,
  FirewallRecord,
  Kind,
  NetworkRecord,
  OwnImageRecord,
  PlacementGroupRecord,
  PrimaryIpRecord,
  ServerRecord,
  SshKeyRecord,
  StoredState,
  VolumeRecord,
} from "./types.ts";

/** What the machines behind the servers are told. The data plane implements it; without one the API works alone. */
export interface MachineEvents {
  boot(server: ServerRecord): void;
  halt(server: ServerRecord): void;
  /** The disk is to be as the image and the user_data say, nothing of the old one left. */
  freshDisk(server: ServerRecord): void;
  gone(server: ServerRecord): void;
  /** Firewalls, addresses or labels changed: who may connect where has to be worked out again. */
  networkChanged(): void;
}

// Ids are numbers without meaning in the real API too; distinct ranges make a mix-up of two kinds show at once.
const FIRST_ID: Record<Kind, number> = {
  server: 100_000_001,
  firewall: 2_000_001,
  ssh_key: 30_000_001,
  primary_ip: 80_000_001,
  placement_group: 500_001,
  network: 10_000_001,
  volume: 101_000_001,
  image: 250_000_001,
  action: 1_000_000_001,
};

/** How many finished actions are remembered. Old ones are of no use to a client, and memory is counted. */
const ACTIONS_KEPT = 5000;

/** The emulated project: its resources, and the actions that change them in time. */
export class Cloud {
  readonly servers = new Map<number, ServerRecord>();
  readonly firewalls = new Map<number, FirewallRecord>();
  readonly sshKeys = new Map<number, SshKeyRecord>();
  readonly primaryIps = new Map<number, PrimaryIpRecord>();
  readonly placementGroups = new Map<number, PlacementGroupRecord>();
  readonly networks = new Map<number, NetworkRecord>();
  readonly volumes = new Map<number, VolumeRecord>();
  readonly images = new Map<number, OwnImageRecord>();
  readonly actions = new Map<number, ActionRecord>();
  /** `<type> <location>` of what nobody can have at the moment. */
  readonly soldOut = new Set<string>();
  readonly addresses: Addresses = addresses;
  readonly actionMs: number;
  /** Hetzner's FAQ of 2022: 50 in all; support raises limits of accounts. */
  firewallLimit = 50;
  machines: MachineEvents | null = null;
  /** Called after every change, to have it saved. */
  onChange: () => void = () => undefined;

  readonly #nextId: Record<Kind, number>;
  readonly #timers = new Map<number, NodeJS.Timeout>();
  readonly #locks = new Map<string, number>();
  #closed = false;

  constructor(actionMs: number, stored: StoredState | null) {
    this.actionMs = actionMs;
    this.#nextId = { ...FIRST_ID, ...stored?.nextId };
    if (stored !== null) this.#restore(stored);
  }

  nextId(kind: Kind): number {
    const id = this.#nextId[kind];
    this.#nextId[kind] = id + 1;
    return id;
  }

  /** The how-manieth of its kind an id is, from 1: what addresses are derived from. */
  ordinal(kind: Kind, id: number): number {
    return id - FIRST_ID[kind] + 1;
  }

  now(): string {
    // Hetzner writes whole seconds with a numeric offset.
    return `${new Date().toISOString().slice(0, 19)}+00:00`;
  }

  /**
   * Starts an action. It ends by itself after `--action-ms`, and until then locks `locks` (by default its resources).
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
    syncBindings(this);
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

  snapshot(about: { token: string; port: number; sshPort: number }): StoredState {
    return {
      version: 1,
      ...about,
      nextId: this.#nextId,
      servers: [...this.servers.values()],
      firewalls: [...this.firewalls.values()],
      sshKeys: [...this.sshKeys.values()],
      primaryIps: [...this.primaryIps.values()],
      placementGroups: [...this.placementGroups.values()],
      networks: [...this.networks.values()],
      volumes: [...this.volumes.values()],
      images: [...this.images.values()],
      actions: [...this.actions.values()],
    };
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

  #restore(stored: StoredState): void {
    for (const item of stored.servers) this.servers.set(item.id, item);
    for (const item of stored.firewalls) this.firewalls.set(item.id, item);
    for (const item of stored.sshKeys) this.sshKeys.set(item.id, item);
    for (const item of stored.primaryIps) this.primaryIps.set(item.id, item);
    for (const item of stored.placementGroups) this.placementGroups.set(item.id, item);
    for (const item of stored.networks) this.networks.set(item.id, item);
    for (const item of stored.volumes) this.volumes.set(item.id, item);
    for (const item of stored.images) this.images.set(item.id, item);
    for (const item of stored.actions) this.actions.set(item.id, item);
  }
}

/** What fault injection asks of the actions that a request starts. */
export interface ActionFault {
  error?: Failure;
  durationMs?: number;
  /** Succeed without doing anything. */
  withoutEffect?: boolean;
}
