import { type Addresses, addresses } from "./addresses.ts";
import type {
  ActionRecord,
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
  /** A copy of the server's disk as it is now. */
  keepDisk(server: ServerRecord, image: number): void;
  /** The copy is deleted. */
  imageGone(image: number): void;
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

/** The resources of the emulated project: what there is, without how it changes in time. */
export abstract class Resources {
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

  /** To be called when firewalls, labels, addresses or servers changed. */
  abstract networkChanged(): void;

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
