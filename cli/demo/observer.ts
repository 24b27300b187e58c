import { setTimeout as sleep } from "node:timers/promises";
import { isClosed, type PortSeen, probePort } from "../../core/host/reach/probe.ts";
import { demoAddresses } from "./prepare.ts";

/** What connecting showed at one moment. */
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

  /** From the admin's address: `open` if it was so at any look between the two times, `closed` if there were looks and none was. */
  seenByAdmin(from: number, to: number): "open" | "closed" | "not looked at" {
    const looks = this.#samples.filter(({ at }) => at >= from && at < to);
    if (looks.length === 0) return "not looked at";
    return looks.every(({ admin }) => isClosed(admin)) ? "closed" : "open";
  }

  /** From elsewhere: whether ssh ever greeted. A filter that cuts a connection before a byte has let nobody in. */
  seenFromElsewhere(from: number, to: number): "open" | "closed" | "not looked at" {
    const looks = this.#samples.filter(({ at }) => at >= from && at < to);
    if (looks.length === 0) return "not looked at";
    return looks.some(({ elsewhere }) => elsewhere === "open" || elsewhere === "accepting") ? "open" : "closed";
  }
}
