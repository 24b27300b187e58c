import { existsSync, rmSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import { serverTypeByName } from "./catalog/server-types.ts";
import { firstAddress } from "./cloud/addresses.ts";
import type { Cloud } from "./cloud/cloud.ts";
import type { MachineEvents } from "./cloud/resources.ts";
import type { ServerRecord } from "./cloud/types.ts";
import type { Impostor, ImpostorLog } from "./machine/impostor.ts";
import { type ImageDisk, Machine } from "./machine/machine.ts";
import { canAnyLocalSourceConnect, isAllowed, sshSources } from "./network/filter.ts";
import { Forwarder } from "./network/forwarder.ts";

/** A machine and its connections to the network. */
interface Attached {
  machine: Machine;
  sockets: Set<Socket>;
  impostor: Impostor | null;
  /** Where it listens now. */
  publicAddress: string | null;
  tailnetAddress: string | null;
}

/** The machines behind the servers, and who reaches them. ssh, the shell and keys are loaded when first needed. */
export class DataPlane implements MachineEvents {
  readonly #cloud: Cloud;
  readonly #forwarder: Forwarder;
  readonly #dir: string;
  readonly #bootMs: number;
  readonly #attached = new Map<number, Attached>();
  readonly #beingLaid = new Map<number, Promise<void>>();

  constructor(cloud: Cloud, options: { dir: string; sshPort: number; bootMs: number }) {
    this.#cloud = cloud;
    this.#dir = options.dir;
    this.#bootMs = options.bootMs;
    this.#forwarder = new Forwarder(options.sshPort);
  }

  boot(server: ServerRecord): void {
    const attached = this.#attach(server);
    const laid = this.#beingLaid.get(server.id) ?? Promise.resolve();
    void laid.then(() => {
      if (server.machine.powered) attached.machine.boot();
    });
  }

  halt(server: ServerRecord): void {
    this.#attach(server).machine.halt();
  }

  freshDisk(server: ServerRecord): void {
    const laying = this.#attach(server)
      .machine.freshDisk(this.#imageOf(server))
      .finally(() => this.#beingLaid.delete(server.id));
    this.#beingLaid.set(server.id, laying);
  }

  gone(server: ServerRecord): void {
    const attached = this.#attached.get(server.id);
    if (attached === undefined) return;
    this.#attached.delete(server.id);
    attached.machine.destroy();
    this.#closeBoth(attached);
  }

  keepDisk(server: ServerRecord, image: number): void {
    this.#attach(server).machine.copyDiskTo(this.#imageFolder(image));
  }

  imageGone(image: number): void {
    const folder = this.#imageFolder(image);
    for (const path of [folder, `${folder}.json`]) rmSync(path, { recursive: true, force: true });
  }

  readonly #imageFolder = (image: number) => join(this.#dir, "images", String(image));

  /** The disk of a snapshot; undefined for a system image. */
  #imageOf({ image }: ServerRecord): ImageDisk | undefined {
    const made = this.#cloud.images.get(image ?? 0);
    const folder = this.#imageFolder(image ?? 0);
    return made !== undefined && existsSync(folder) ? { folder, boots: made.disk ?? "debian" } : undefined;
  }

  /** Works out who may connect where, and opens and closes accordingly. */
  networkChanged(): void {
    for (const attached of this.#attached.values()) this.#refresh(attached);
  }

  /** Brings back the machines of a saved state. */
  resume(): void {
    for (const server of this.#cloud.servers.values()) {
      const attached = this.#attach(server);
      if (server.machine.powered) attached.machine.resume();
    }
  }

  machine(serverId: number): Machine | undefined {
    return this.#attached.get(serverId)?.machine;
  }

  /** From now on another machine answers at the server's public address. */
  async swapHostKey(serverId: number, isSwapped: boolean): Promise<void> {
    const attached = this.#attached.get(serverId);
    if (attached === undefined) return;
    const { Impostor } = await import("./machine/impostor.ts");
    attached.impostor = isSwapped ? new Impostor() : null;
    this.dropConnections(serverId);
    this.#refresh(attached);
  }

  impostorLog(serverId: number): ImpostorLog | null {
    return this.#attached.get(serverId)?.impostor?.log ?? null;
  }

  dropConnections(serverId: number): void {
    for (const socket of this.#attached.get(serverId)?.sockets ?? []) socket.destroy();
  }

  tailnetAddress(serverId: number): string {
    return this.#cloud.addresses.tailnetIpv4(this.#cloud.ordinal("server", serverId));
  }

  close(): void {
    this.#forwarder.closeAll();
    for (const attached of this.#attached.values()) {
      attached.machine.halt();
      attached.machine.flush();
    }
  }

  #attach(server: ServerRecord): Attached {
    const existing = this.#attached.get(server.id);
    if (existing !== undefined) return existing;
    const sockets = new Set<Socket>();
    const attached: Attached = {
      sockets,
      impostor: null,
      publicAddress: null,
      tailnetAddress: null,
      machine: new Machine(server, {
        dir: join(this.#dir, "machines", String(server.id)),
        bootMs: this.#bootMs,
        architecture: serverTypeByName(server.serverType)?.architecture ?? "x86",
        onDown: () => {
          for (const socket of sockets) socket.destroy();
        },
        onChange: () => {
          this.#refresh(attached);
          this.#cloud.onChange();
        },
        readFirstBoot: async (record) => {
          const { firstBoot } = await import("./machine/first-boot.ts");
          return firstBoot(record);
        },
      }),
    };
    this.#attached.set(server.id, attached);
    return attached;
  }

  #refresh(attached: Attached): void {
    // A machine that is being built calls back before it is known here.
    if (this.#attached.get(attached.machine.server.id) !== attached) return;
    const { server } = attached.machine;
    const address = this.#publicAddress(server);
    const isUp = (attached.machine.answersInPublic || attached.impostor !== null) && attached.machine.networkUp;
    const open =
      address !== null &&
      isUp &&
      canAnyLocalSourceConnect(sshSources(this.#cloud, server), address.includes(":") ? 6 : 4);
    this.#move(attached, "publicAddress", open ? address : null, (socket) => this.#accept(attached, socket));
    const tailnet = attached.machine.isOnTailnet ? this.tailnetAddress(server.id) : null;
    this.#move(attached, "tailnetAddress", tailnet, (socket) => this.#serve(attached, socket));
  }

  #move(
    attached: Attached,
    which: "publicAddress" | "tailnetAddress",
    address: string | null,
    onConnection: (socket: Socket) => void,
  ): void {
    const current = attached[which];
    if (current === address) return;
    if (current !== null) this.#forwarder.close(current);
    attached[which] = address;
    if (address !== null) this.#forwarder.open(address, onConnection);
  }

  #accept(attached: Attached, socket: Socket): void {
    const { server } = attached.machine;
    if (!isAllowed(sshSources(this.#cloud, server), socket.remoteAddress ?? "")) {
      server.machine.connectionsRefused += 1;
      // Before one byte is sent: a real firewall drops, and the caller would wait; a reset says the same sooner.
      socket.resetAndDestroy();
      return;
    }
    server.machine.connectionsAccepted += 1;
    if (attached.impostor !== null) attached.impostor.serve(this.#track(attached, socket));
    else this.#serve(attached, socket);
  }

  #serve(attached: Attached, socket: Socket): void {
    this.#track(attached, socket);
    void import("./machine/ssh-server.ts").then(({ serveSsh }) => {
      if (attached.machine.isAnswering && !socket.destroyed) serveSsh(attached.machine, socket);
      else socket.destroy();
    });
  }

  #track(attached: Attached, socket: Socket): Socket {
    attached.sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => attached.sockets.delete(socket));
    return socket;
  }

  #publicAddress(server: ServerRecord): string | null {
    const { primaryIps, addresses } = this.#cloud;
    if (server.ipv4 !== null) return primaryIps.get(server.ipv4)?.ip ?? null;
    const network = server.ipv6 === null ? undefined : primaryIps.get(server.ipv6)?.ip;
    return network === addresses.ipv6Loopback ? firstAddress(network) : null;
  }

  #closeBoth(attached: Attached): void {
    if (attached.publicAddress !== null) this.#forwarder.close(attached.publicAddress);
    if (attached.tailnetAddress !== null) this.#forwarder.close(attached.tailnetAddress);
  }
}
