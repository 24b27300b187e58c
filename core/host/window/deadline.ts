import { uptime } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

/** The clocks of this machine, each in milliseconds since whenever it likes. */
export interface Clocks {
  /** Stands still while the machine is suspended, and never jumps. */
  running(): number;
  /** Goes on while the machine is suspended, and is not set by anybody (`/proc/uptime`, CLOCK_BOOTTIME). */
  sinceBoot(): number;
  /** Is what people and other machines go by. Set by hand, by NTP, and after a virtual machine was paused. */
  wall(): number;
  /** Waits so many milliseconds of running time. Throws when the signal is aborted. */
  pause(ms: number, signal?: AbortSignal): Promise<void>;
}

export const machineClocks: Clocks = {
  running: () => performance.now(),
  sinceBoot: () => uptime() * 1000,
  wall: () => Date.now(),
  pause: (ms, signal) => sleep(ms, undefined, signal ? { signal } : {}),
};

/** How often the clocks are read: a timer stands still while the machine is suspended. Milliseconds. */
const tickMs = 1000;

/**
 * A time that is over as soon as one of the clocks says so. A wall clock that is set back extends nothing, since the others
 * go on; one that is set forward, or a suspended machine that wakes up, ends it at once. Too early is the safe side: what
 * ends is a window, and its label names the time by the wall clock.
 */
export class Deadline {
  readonly #clocks: Clocks;
  readonly #ends: Record<"running" | "sinceBoot" | "wall", number>;

  constructor(seconds: number, clocks: Clocks = machineClocks) {
    const ms = seconds * 1000;
    this.#clocks = clocks;
    this.#ends = { running: clocks.running() + ms, sinceBoot: clocks.sinceBoot() + ms, wall: clocks.wall() + ms };
  }

  /** Never below 0. */
  get remainingMs(): number {
    const { running, sinceBoot, wall } = this.#clocks;
    return Math.max(
      0,
      Math.min(this.#ends.running - running(), this.#ends.sinceBoot - sinceBoot(), this.#ends.wall - wall()),
    );
  }

  /** Waits until it is over, or the signal is aborted: then it throws. */
  async isOver(signal?: AbortSignal): Promise<void> {
    for (let left = this.remainingMs; left > 0; left = this.remainingMs) {
      await this.#clocks.pause(Math.min(left, tickMs), signal);
    }
  }
}
