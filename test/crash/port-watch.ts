import { setTimeout as sleep } from "node:timers/promises";
import { isClosed, probePort } from "../../core/host/reach/probe.ts";

/** Probes TCP/22 of a server from the admin's address, all the time, as someone outside would. */
export class PortWatch {
  readonly #addressOf: () => Promise<string | null>;
  readonly #port: number;
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;
  /** Of the last look; true where there is no server. */
  isClosed = true;
  /** When it was seen open last, in ms since 1970. */
  lastOpen = 0;

  constructor(addressOf: () => Promise<string | null>, port: number) {
    this.#addressOf = addressOf;
    this.#port = port;
    this.#ended = this.#watch();
  }

  async #watch(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const address = await this.#addressOf();
      const seen = address === null ? "refused" : await probePort(address, this.#port, { timeoutMs: 1000 });
      // Accepted and cut: the emulator's way to drop; nothing behind it was reached.
      this.isClosed = isClosed(seen) || seen === "reset";
      if (!this.isClosed) this.lastOpen = Date.now();
      await sleep(200);
    }
  }

  /** Waits until it is closed. @returns seconds until then; undefined when it was still open after `seconds` */
  async closes(seconds: number): Promise<number | undefined> {
    const startedAt = Date.now();
    while (!this.isClosed && Date.now() < startedAt + seconds * 1000) await sleep(100);
    return this.isClosed ? Math.max(0, this.lastOpen - startedAt) / 1000 : undefined;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }
}
