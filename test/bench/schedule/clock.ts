import { setImmediate as nextTurn } from "node:timers/promises";

interface Timer {
  atSeconds: number;
  order: number;
  fire: () => void;
}

/** A clock that jumps to the next timer when nothing else is left to do, so that hours pass in milliseconds. */
export class VirtualClock {
  #seconds = 0;
  #order = 0;
  readonly #timers = new Set<Timer>();

  /** Seconds since the start. */
  get seconds(): number {
    return this.#seconds;
  }

  /** Resolves after `seconds`, or when `signal` is aborted. */
  wait(seconds: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const timer: Timer = {
        atSeconds: this.#seconds + Math.max(0, seconds),
        order: this.#order++,
        fire: () => {
          this.#timers.delete(timer);
          signal?.removeEventListener("abort", timer.fire);
          resolve();
        },
      };
      this.#timers.add(timer);
      signal?.addEventListener("abort", timer.fire, { once: true });
    });
  }

  /**
   * Lets time pass until `work` has ended.
   * @throws if `work` waits for something that no timer of this clock will bring
   */
  async run<T>(work: Promise<T>): Promise<T> {
    let isOver = false;
    const ended = () => {
      isOver = true;
    };
    work.then(ended, ended);
    for (;;) {
      // Everything that can go on without time passing goes on first.
      await nextTurn();
      if (isOver) return work;
      const next = [...this.#timers].reduce<Timer | undefined>(earlier, undefined);
      if (!next) throw new Error(`at ${this.#seconds} s everything waits, and nothing is timed to happen`);
      this.#seconds = Math.max(this.#seconds, next.atSeconds);
      next.fire();
    }
  }
}

function earlier(one: Timer | undefined, other: Timer): Timer {
  if (!one || other.atSeconds < one.atSeconds) return other;
  return other.atSeconds === one.atSeconds && other.order < one.order ? other : one;
}
