import { setTimeout as sleep } from "node:timers/promises";
import { isClosed, type PortSeen, probePort } from "../../core/host/reach/probe.ts";
import { demoAddresses } from "./prepare.ts";

/** The port's state at one moment, by connecting to it. */
interface Sample {
  at: number;
  admin: PortSeen;
  elsewhere: PortSeen;
}

/** Probes the server's port continuously from two addresses, independently of what the installation reports. */
export class PortObserver {
  readonly #samples: Sample[] = [];
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;

  constructor(address: () => Promise<string | undefined>, port: number) {
    this.#done = this.#watch(address, port);
  }

  async #watch(address: () => Promise<string | undefined>, port: number): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const ip = await address();
      if (ip !== undefined) {
        const at = Date.now();
        const look = (localAddress: string) => probePort(ip, port, { timeoutMs: 1000, localAddress });
        const [admin, elsewhere] = await Promise.all([look(demoAddresses.admin), look(demoAddresses.elsewhere)]);
        this.#samples.push({ at, admin, elsewhere });
      }
      await sleep(100);
    }
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  /** From the admin's address: `open` if any probe between the two times found it open, `closed` if there were probes and none did. */
  seenByAdmin(from: number, to: number): "open" | "closed" | "not checked" {
    const looks = this.#samples.filter(({ at }) => at >= from && at < to);
    if (looks.length === 0) return "not checked";
    return looks.every(({ admin }) => isClosed(admin)) ? "closed" : "open";
  }

  /** From elsewhere: `open` if ssh ever sent its banner. A filter that drops the connection before the first byte let nobody in. */
  seenFromElsewhere(from: number, to: number): "open" | "closed" | "not checked" {
    const looks = this.#samples.filter(({ at }) => at >= from && at < to);
    if (looks.length === 0) return "not checked";
    return looks.some(({ elsewhere }) => elsewhere === "open" || elsewhere === "accepting") ? "open" : "closed";
  }
}
