import { describe, expect, it } from "vitest";
import { VirtualClock } from "../../bench/schedule/clock.ts";
import { SimulatedAccount, SimulatedProject } from "../../bench/schedule/hetzner.ts";
import { createHost } from "../../bench/schedule/host.ts";
import { type Plan, simulate } from "../../bench/schedule/simulate.ts";

const plan: Plan = {
  hosts: 200,
  projects: 1,
  parallel: 16,
  actions: [5, 30],
  install: 240,
  requestLimit: 3600,
  firewallLimit: 1000,
  seed: 1,
};

describe("VirtualClock", () => {
  it("lets hours pass at once, in the order of the timers", async () => {
    const clock = new VirtualClock();
    const order: string[] = [];
    const note = async (name: string, seconds: number) => {
      await clock.wait(seconds);
      order.push(`${name} at ${clock.seconds}`);
    };
    await clock.run(Promise.all([note("late", 7200), note("early", 1), note("second early", 1)]));
    expect(order).toEqual(["early at 1", "second early at 1", "late at 7200"]);
  });

  it("ends a wait whose signal is aborted, then or before", async () => {
    const clock = new VirtualClock();
    const stop = new AbortController();
    const work = (async () => {
      const waiting = clock.wait(100, stop.signal);
      await clock.wait(1);
      stop.abort();
      await waiting;
      await clock.wait(100, stop.signal);
      return clock.seconds;
    })();
    expect(await clock.run(work)).toBe(1);
  });

  it("refuses to wait for what no timer brings", async () => {
    await expect(new VirtualClock().run(new Promise(() => undefined))).rejects.toThrow(/everything waits/);
  });

  it("passes an error of the work on", async () => {
    await expect(new VirtualClock().run(Promise.reject(new Error("broken")))).rejects.toThrow("broken");
  });
});

describe("SimulatedProject", () => {
  it("answers as many requests as are left, refuses more, and is full again after an hour", () => {
    let now = 0;
    const project = new SimulatedProject(3600, () => now);
    for (let sent = 0; sent < 3600; sent += 1) expect(project.request()).toBe(true);
    expect(project.request()).toBe(false);
    now = 1;
    expect(project.request()).toBe(true);
    expect(project.request()).toBe(false);
    now = 3600 + 1;
    expect(project.limit).toEqual({ limit: 3600, remaining: 3600 });
    now = 100_000;
    expect(project.limit.remaining).toBe(3600);
    expect(project).toMatchObject({ answered: 3601, refused: 2 });
  });
});

// Counted on the emulator with `up --host web-1`, which test/engine/requests.test.ts repeats for two of them.
it.each([
  [0.3, 18],
  [2, 31],
  [5, 39],
  [8, 40],
  [15, 48],
  [30, 61],
])("a host whose actions take %d s sends %d requests", async (seconds, requests) => {
  const clock = new VirtualClock();
  const project = new SimulatedProject(3600, () => clock.seconds);
  const account = new SimulatedAccount(50);
  await clock.run(createHost({ clock, account, project, actionSeconds: () => seconds, installSeconds: 240 }));
  expect(project).toMatchObject({ answered: requests, refused: 0 });
});

describe("the schedule of a fleet", () => {
  it("is the same for the same seed, and another for another", async () => {
    expect(await simulate(plan)).toEqual(await simulate(plan));
    expect((await simulate({ ...plan, seed: 2 })).minutes).not.toBe((await simulate(plan)).minutes);
  });

  it.each([4, 16, 64])("with --parallel %d creates every host without one refused request", async (parallel) => {
    expect(await simulate({ ...plan, parallel })).toMatchObject({ done: 200, failed: 0, refused: 0 });
  });

  it("is bound by the slots while there are few, and by the request limit after that", async () => {
    const [few, many, most] = await Promise.all([
      simulate({ ...plan, parallel: 4 }),
      simulate({ ...plan, parallel: 32 }),
      simulate({ ...plan, parallel: 64 }),
    ]);
    expect([few.boundBy, many.boundBy, most.boundBy]).toEqual(["parallel", "requests", "requests"]);
    expect(few.hostsPerHour).toBeLessThan(45);
    expect(most.hostsPerHour).toBeLessThan(many.hostsPerHour * 1.1);
  });

  it("gets faster with projects, each of which has a limit of its own", async () => {
    const [one, four] = await Promise.all([
      simulate({ ...plan, hosts: 400, parallel: 32 }),
      simulate({ ...plan, hosts: 400, parallel: 32, projects: 4 }),
    ]);
    expect(four.hostsPerHour).toBeGreaterThan(one.hostsPerHour * 2.5);
  });

  it("stops at the firewalls of the account, however many projects share it", async () => {
    for (const projects of [1, 4]) {
      const schedule = await simulate({ ...plan, projects, firewallLimit: 50, parallel: 4 });
      expect(schedule).toMatchObject({ boundBy: "firewalls", mostFirewalls: 50 });
      expect(schedule.done).toBeLessThanOrEqual(50);
      expect(schedule.done + schedule.failed).toBe(200);
    }
  });
});
