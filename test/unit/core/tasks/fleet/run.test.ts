import { describe, expect, it } from "vitest";
import { UserError } from "../../../../../core/base/errors.ts";
import { exitCodes } from "../../../../../core/base/exit-codes.ts";
import { Stopped } from "../../../../../core/base/stopped.ts";
import { type FleetRun, type FleetTask, runFleet } from "../../../../../core/tasks/fleet/run.ts";

const hosts = ["web-1", "web-2", "web-3", "web-4"];
const fine = { ok: true, exitCode: exitCodes.ok, summary: "done", result: {} };

/** A run whose tasks end when the test says so. */
function run(more: Partial<FleetRun<object>> = {}) {
  const begun: string[] = [];
  const task: FleetTask<object> = more.task ?? (async () => fine);
  const stop = new AbortController();
  const outcomes = runFleet<object>({
    hosts,
    parallel: 1,
    keepGoing: true,
    signal: stop.signal,
    watch: { started: (host) => void begun.push(host), told: () => undefined, ended: () => undefined },
    ...more,
    task: (host, tell) => task(host, tell),
  });
  return { begun, stop, outcomes };
}

const failing =
  (...which: string[]): FleetTask<object> =>
  async (host) => {
    if (which.includes(host)) throw new UserError(`${host}: no.`, { exitCode: exitCodes.api, details: ["why"] });
    return fine;
  };

const statesOf = async ({ outcomes }: ReturnType<typeof run>) =>
  (await outcomes).map(({ host, state }) => `${host} ${state}`);

describe("many hosts", () => {
  it("are all begun after one has failed, and the failure keeps its code, reason and host", async () => {
    const { outcomes } = run({ task: failing("web-2") });
    expect(await outcomes).toMatchObject([
      { state: "ok" },
      { host: "web-2", state: "failed", exitCode: 6, summary: "no.", details: ["why"] },
      { state: "ok" },
      { state: "ok" },
    ]);
  });

  it("are not begun any more with fail-fast", async () => {
    expect(await statesOf(run({ task: failing("web-2"), keepGoing: false }))).toEqual([
      "web-1 ok",
      "web-2 failed",
      "web-3 not started",
      "web-4 not started",
    ]);
  });

  it("are not begun when the canary fails, also with keep-going", async () => {
    const started = run({ task: failing("web-3"), canary: "web-3", parallel: 4 });
    expect(await statesOf(started)).toEqual([
      "web-1 not started",
      "web-2 not started",
      "web-3 failed",
      "web-4 not started",
    ]);
    expect(started.begun).toEqual(["web-3"]);
  });

  it("begin only when the canary has ended well", async () => {
    const order: string[] = [];
    const task: FleetTask<object> = async (host) => {
      order.push(`begin ${host}`);
      await Promise.resolve();
      order.push(`end ${host}`);
      return fine;
    };
    await run({ task, canary: "web-3", parallel: 4 }).outcomes;
    expect(order.slice(0, 2)).toEqual(["begin web-3", "end web-3"]);
  });

  it("are so many at a time as asked", async () => {
    let atWork = 0;
    let most = 0;
    const task: FleetTask<object> = async () => {
      atWork += 1;
      most = Math.max(most, atWork);
      await new Promise((resolve) => setImmediate(resolve));
      atWork -= 1;
      return fine;
    };
    await run({ task, parallel: 3 }).outcomes;
    expect(most).toBe(3);
  });

  it("are not begun after a stop, and the one at work ends in order", async () => {
    const task: FleetTask<object> = async (host) => {
      started.stop.abort();
      const problem = { subject: host, problem: "up failed.", fix: "See the error above." };
      throw new UserError(problem, { reasons: ["cancelled"] });
    };
    const started = run({ task });
    expect(await started.outcomes).toMatchObject([
      { host: "web-1", state: "stopped", exitCode: 130, summary: "up failed.", details: ["cancelled"] },
      { state: "not started", summary: "the run was stopped" },
      { state: "not started" },
      { state: "not started" },
    ]);
  });

  it("that are stopped at once say so, without a stack", async () => {
    const task: FleetTask<object> = async () => {
      started.stop.abort(new Stopped("SIGTERM"));
      throw started.stop.signal.reason;
    };
    const started = run({ task });
    const [first] = await started.outcomes;
    expect(first).toMatchObject({ state: "stopped", exitCode: 143, summary: "stopped by SIGTERM", details: [] });
  });

  it("are not kept from theirs by a bug in one, which is shown with its stack", async () => {
    const task: FleetTask<object> = async (host) => {
      if (host === "web-1") throw new TypeError("x is undefined");
      return fine;
    };
    const [first, second] = await run({ task }).outcomes;
    expect(first).toMatchObject({ state: "failed", exitCode: 1, summary: "a bug, please report it" });
    expect(first?.details[0]).toBe("TypeError: x is undefined");
    expect(second?.state).toBe("ok");
  });
});
