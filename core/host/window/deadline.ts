import { uptime } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

/** The clocks of this machine, in milliseconds, each with its own arbitrary zero. */
export interface Clocks {
  /** Monotonic; stops while the machine is suspended (CLOCK_MONOTONIC). */
  running(): number;
  /** Monotonic; keeps running while the machine is suspended (`/proc/uptime`, CLOCK_BOOTTIME). */
  sinceBoot(): number;
  /** Time of day. Jumps when set by hand, by NTP, or after a virtual machine was paused. */
  wall(): number;
  /** Waits this many milliseconds of running time. Throws when the signal is aborted. */
  pause(ms: number, signal?: AbortSignal): Promise<void>;
}

export const machineClocks: Clocks = {
  running: () => performance.now(),
  sinceBoot: () => uptime() * 1000,
  wall: () => Date.now(),
  pause: (ms, signal) => sleep(ms, undefined, signal ? { signal } : {}),
};

/** Milliseconds between two readings of the clocks: a timer stops while the machine is suspended. */
const tickMs = 1000;

/**
 * A deadline that passes as soon as one of the clocks reaches it. Setting the wall clock back does not extend it, because the
 * other clocks keep running; setting it forward, or waking up from suspend, can end it at once. Early is the safe side: the
 * deadline closes a window, whose label gives the time by the wall clock.
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

  /** Waits until the deadline passes. Throws when the signal is aborted. */
  async isOver(signal?: AbortSignal): Promise<void> {
    for (let left = this.remainingMs; left > 0; left = this.remainingMs) {
      await this.#clocks.pause(Math.min(left, tickMs), signal);
    }
  }
}
