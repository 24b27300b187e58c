import { describe, expect, it } from "vitest";
import { admission } from "../../../../../core/tasks/fleet/admission.ts";

const never = new AbortController().signal;
const quiet = () => undefined;

/** Hetzner with so many requests left; what it is told is taken from it. */
function hetzner(limit: number, remaining: number) {
  const state = { remaining, looks: 0 };
  const look = async () => {
    state.looks += 1;
    return { limit, remaining: state.remaining };
  };
  return { state, look };
}

/** Waits that end when the test says so, with how long they would have taken. */
function waits() {
  const asked: number[] = [];
  let elapse: () => void = () => undefined;
  const wait = (seconds: number, signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      asked.push(seconds);
      elapse = resolve;
      signal.addEventListener("abort", () => resolve());
    });
  return { asked, wait, elapse: () => elapse() };
}

/** Whether it begins within the turns of the event loop that everything but waiting takes. */
const hasBegun = async (admitted: Promise<unknown>) => {
  const later = new Promise((resolve) => setImmediate(() => setImmediate(() => resolve("not yet"))));
  return (await Promise.race([admitted, later])) !== "not yet";
};

describe("a host is let in", () => {
  it("at once when it asks nothing of Hetzner, without a look", async () => {
    const { state, look } = hetzner(3600, 0);
    await admission(() => 0, look).admit("web-1", quiet, never);
    expect(state.looks).toBe(0);
  });

  it("while its requests fit beside those of the hosts at work, with 60 kept free", async () => {
    const { look } = hetzner(3600, 200);
    const { asked, wait } = waits();
    const gate = admission(() => 60, look, { wait, now: () => 0 });
    const told: string[] = [];
    expect(await hasBegun(gate.admit("web-1", quiet, never))).toBe(true);
    expect(await hasBegun(gate.admit("web-2", quiet, never))).toBe(true);
    // 200, less 120 for those at work, less 60 kept free: 40 are missing, and one for the next look.
    const third = gate.admit("web-3", (text) => void told.push(text), never);
    expect(await hasBegun(third)).toBe(false);
    expect(asked).toEqual([41]);
    expect(told).toEqual([
      "waiting 41 s for Hetzner's request limit (3600 an hour for the whole project): 200 left, 120 of them reserved by running hosts",
    ]);
  });

  it("after the wait, when the requests have come back", async () => {
    const { state, look } = hetzner(3600, 100);
    const { wait, elapse } = waits();
    const gate = admission(() => 60, look, { wait, now: () => 0 });
    const admitted = gate.admit("web-1", quiet, never);
    expect(await hasBegun(admitted)).toBe(false);
    state.remaining = 120;
    elapse();
    expect(await hasBegun(admitted)).toBe(true);
  });

  it("as soon as one at work ends that used less than it had reserved", async () => {
    const { look } = hetzner(3600, 130);
    const gate = admission(() => 60, look, { wait: waits().wait, now: () => 0 });
    const release = await gate.admit("web-1", quiet, never);
    const second = gate.admit("web-2", quiet, never);
    expect(await hasBegun(second)).toBe(false);
    release();
    expect(await hasBegun(second)).toBe(true);
  });

  it("alone when a small project's whole limit is less than it may need", async () => {
    const { look } = hetzner(50, 50);
    await expect(admission(() => 60, look).admit("web-1", quiet, never)).resolves.toBeTypeOf("function");
  });

  it("when Hetzner cannot be asked: the host itself says why", async () => {
    const gate = admission(
      () => 60,
      async () => undefined,
    );
    await expect(gate.admit("web-1", quiet, never)).resolves.toBeTypeOf("function");
  });

  it("not when the run is stopped while it waits", async () => {
    const { look } = hetzner(3600, 0);
    const stop = new AbortController();
    const admitted = admission(() => 60, look).admit("web-1", () => stop.abort(), stop.signal);
    await expect(admitted).rejects.toThrow(/abort/i);
  });

  it("with one look for many hosts while there is plenty", async () => {
    const { state, look } = hetzner(3600, 3600);
    const gate = admission(() => 60, look);
    for (let host = 0; host < 20; host += 1) (await gate.admit(`web-${host}`, quiet, never))();
    expect(state.looks).toBe(1);
  });
});
