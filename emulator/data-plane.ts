import type { Socket } from "node:net";
import { join } from "node:path";
import { serverTypeByName } from "./catalog/server-types.ts";
import type { Cloud } from "./cloud/cloud.ts";
import type { MachineEvents } from "./cloud/resources.ts";
import type { ServerRecord } from "./cloud/types.ts";
import type { Impostor, ImpostorLog } from "./machine/impostor.ts";
import { Machine } from "./machine/machine.ts";
import { canAnyLocalSourceConnect, isAllowed, sshSources } from "./network/filter.ts";
import { Forwarder } from "./network/forwarder.ts";

interface Host {
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
  readonly #hosts = new Map<number, Host>();
  readonly #beingLaid = new Map<number, Promise<void>>();

  constructor(cloud: Cloud, options: { dir: string; sshPort: number; bootMs: number }) {
    this.#cloud = cloud;
    this.#dir = options.dir;
    this.#bootMs = options.bootMs;
    this.#forwarder = new Forwarder(options.sshPort);
  }

  boot(server: ServerRecord): void {
    const host = this.#host(server);
    const laid = this.#beingLaid.get(server.id) ?? Promise.resolve();
    void laid.then(() => {
      if (server.machine.powered) host.machine.boot();
    });
  }

  halt(server: ServerRecord): void {
    this.#host(server).machine.halt();
  }

  freshDisk(server: ServerRecord): void {
    const laying = this.#host(server)
      .machine.freshDisk()
      .finally(() => this.#beingLaid.delete(server.id));
    this.#beingLaid.set(server.id, laying);
  }

  gone(server: ServerRecord): void {
    const host = this.#hosts.get(server.id);
    if (host === undefined) return;
    this.#hosts.delete(server.id);
    host.machine.destroy();
    this.#closeBoth(host);
  }

  /** Works out who may connect where, and opens and closes accordingly. */
  networkChanged(): void {
    for (const host of this.#hosts.values()) this.#refresh(host);
  }

  /** Brings back the machines of a saved state. */
  resume(): void {
    for (const server of this.#cloud.servers.values()) {
      const host = this.#host(server);
      if (server.machine.powered) host.machine.resume();
    }
  }

  machine(serverId: number): Machine | undefined {
    return this.#hosts.get(serverId)?.machine;
  }

  /** From now on somebody else answers at the server's public address. */
  async swapHostKey(serverId: number, isSwapped: boolean): Promise<void> {
    const host = this.#hosts.get(serverId);
    if (host === undefined) return;
    const { Impostor } = await import("./machine/impostor.ts");
    host.impostor = isSwapped ? new Impostor() : null;
    this.dropConnections(serverId);
    this.#refresh(host);
  }

  impostorLog(serverId: number): ImpostorLog | null {
    return this.#hosts.get(serverId)?.impostor?.log ?? null;
  }

  dropConnections(serverId: number): void {
    for (const socket of this.#hosts.get(serverId)?.sockets ?? []) socket.destroy();
  }

  tailnetAddress(serverId: number): string {
    return this.#cloud.addresses.tailnetIpv4(this.#cloud.ordinal("server", serverId));
  }

  close(): void {
    this.#forwarder.closeAll();
    for (const host of this.#hosts.values()) {
      host.machine.halt();
      host.machine.flush();
    }
  }

  #host(server: ServerRecord): Host {
    const existing = this.#hosts.get(server.id);
    if (existing !== undefined) return existing;
    const sockets = new Set<Socket>();
    const host: Host = {
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
          this.#refresh(host);
          this.#cloud.onChange();
        },
        readFirstBoot: async (record) => {
          const { firstBoot } = await import("./machine/first-boot.ts");
          return firstBoot(record);
        },
      }),
    };
    this.#hosts.set(server.id, host);
    return host;
  }

  #refresh(host: Host): void {
    // A machine that is being built calls back before it is known here.
    if (this.#hosts.get(host.machine.server.id) !== host) return;
    const { server } = host.machine;
    const address = this.#publicAddress(server);
    const isUp = (host.machine.answersInPublic || host.impostor !== null) && host.machine.networkUp;
    const open = address !== null && isUp && canAnyLocalSourceConnect(sshSources(this.#cloud, server));
    this.#move(host, "publicAddress", open ? address : null, (socket) => this.#accept(host, socket));
    const tailnet = host.machine.isOnTailnet ? this.tailnetAddress(server.id) : null;
    this.#move(host, "tailnetAddress", tailnet, (socket) => this.#serve(host, socket));
  }

  #move(
    host: Host,
    which: "publicAddress" | "tailnetAddress",
    address: string | null,
    onConnection: (socket: Socket) => void,
  ): void {
    const current = host[which];
    if (current === address) return;
    if (current !== null) this.#forwarder.close(current);
    host[which] = address;
    if (address !== null) this.#forwarder.open(address, onConnection);
  }

  #accept(host: Host, socket: Socket): void {
    const { server } = host.machine;
    if (!isAllowed(sshSources(this.#cloud, server), socket.remoteAddress ?? "")) {
      server.machine.connectionsRefused += 1;
      // Before one byte is sent: a real firewall drops, and the caller would wait; a reset says the same sooner.
      socket.resetAndDestroy();
      return;
    }
    server.machine.connectionsAccepted += 1;
    if (host.impostor !== null) host.impostor.serve(this.#track(host, socket));
    else this.#serve(host, socket);
  }

  #serve(host: Host, socket: Socket): void {
    this.#track(host, socket);
    void import("./machine/ssh-server.ts").then(({ serveSsh }) => {
      if (host.machine.isAnswering && !socket.destroyed) serveSsh(host.machine, socket);
      else socket.destroy();
    });
  }

  #track(host: Host, socket: Socket): Socket {
    host.sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => host.sockets.delete(socket));
    return socket;
  }

  #publicAddress(server: ServerRecord): string | null {
    return server.ipv4 === null ? null : (this.#cloud.primaryIps.get(server.ipv4)?.ip ?? null);
  }

  #closeBoth(host: Host): void {
    if (host.publicAddress !== null) this.#forwarder.close(host.publicAddress);
    if (host.tailnetAddress !== null) this.#forwarder.close(host.tailnetAddress);
  }
}
