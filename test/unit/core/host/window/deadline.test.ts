import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { type Clocks, Deadline } from "../../../../../core/host/window/deadline.ts";

/** Clocks that are set by hand; pauses go by the one that stands still while a machine is suspended. */
class Machine implements Clocks {
  #ms = { running: 5_000, sinceBoot: 9_000, wall: 1_700_000_000_000 };
  #pauses: { until: number; end: () => void }[] = [];
  running = () => this.#ms.running;
  sinceBoot = () => this.#ms.sinceBoot;
  wall = () => this.#ms.wall;
  pause = (ms: number) => {
    return new Promise<void>((end) => void this.#pauses.push({ until: this.#ms.running + ms, end }));
  };

  async runs(seconds: number): Promise<void> {
    for (let ms = 0; ms < seconds * 1000; ms += 100) {
      for (const clock of ["running", "sinceBoot", "wall"] as const) this.#ms[clock] += 100;
      const ended = this.#pauses.filter(({ until }) => until <= this.#ms.running);
      this.#pauses = this.#pauses.filter(({ until }) => until > this.#ms.running);
      for (const { end } of ended) end();
      await turn();
    }
  }

  /** The machine sleeps: neither its pauses nor its running time move. */
  sleeps(seconds: number): void {
    this.#ms.sinceBoot += seconds * 1000;
    this.#ms.wall += seconds * 1000;
  }

  /** By hand, by NTP, or after a virtual machine was paused, which its other clocks do not notice. */
  setWallClock(seconds: number): void {
    this.#ms.wall += seconds * 1000;
  }
}

describe("a deadline of 60 s", () => {
  function deadlineOn(machine: Machine) {
    const seen = { isOver: false };
    const deadline = new Deadline(60, machine);
    void deadline.isOver().then(() => (seen.isOver = true));
    return { deadline, seen };
  }

  const cases: [string, (machine: Machine) => void | Promise<void>, isOver: boolean][] = [
    ["is not over after 58 s", (machine) => machine.runs(58), false],
    ["is over after 60 s", (machine) => machine.runs(60), true],
    ["is over when the machine wakes up later", (machine) => machine.sleeps(61), true],
    ["is not over when the machine wakes up before", (machine) => machine.sleeps(50), false],
    ["is over when the wall clock is set beyond it", (machine) => machine.setWallClock(3600), true],
    ["goes on when the wall clock is set a little forward", (machine) => machine.setWallClock(30), false],
    ["goes on when the wall clock is set back", (machine) => machine.setWallClock(-3600), false],
  ];
  it.each(cases)("%s", async (_, happens, isOver) => {
    const machine = new Machine();
    const { seen } = deadlineOn(machine);
    await happens(machine);
    await machine.runs(1.5);
    expect(seen.isOver).toBe(isOver);
  });

  it.each([
    ["an hour back, once", [-3600]],
    ["to and fro", [-3600, 3000, -3000, 20]],
    ["to 1970", [-1_700_000_000]],
  ])("is never extended by a wall clock that is set %s", async (_, jumps) => {
    const machine = new Machine();
    const { deadline, seen } = deadlineOn(machine);
    for (const seconds of jumps) {
      machine.setWallClock(seconds);
      await machine.runs(10);
      expect(deadline.remainingMs).toBeLessThanOrEqual(60_000);
    }
    await machine.runs(60 - jumps.length * 10);
    expect(seen.isOver).toBe(true);
  });

  it("counts sleep and running time together, also where the wall clock was set back meanwhile", async () => {
    const machine = new Machine();
    const { seen } = deadlineOn(machine);
    await machine.runs(20);
    machine.sleeps(20);
    machine.setWallClock(-600);
    await machine.runs(15);
    expect(seen.isOver).toBe(false);
    await machine.runs(6);
    expect(seen.isOver).toBe(true);
  });

  it("ends its waiting with an error when it is aborted", async () => {
    const stop = new AbortController();
    const waiting = new Deadline(60).isOver(stop.signal);
    stop.abort();
    await expect(waiting).rejects.toMatchObject({ name: "AbortError" });
  });
});
