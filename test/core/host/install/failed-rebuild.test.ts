import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CrashLab } from "../../../crash/_lab.ts";
import { type Fault, nameOf } from "../../../crash/disturbances.ts";
import { runCase } from "../../../crash/life.ts";

/** A reinstallation whose rebuild ends badly, by the real engine on the emulator: the server is off, its disk half written. */
let lab: CrashLab;
beforeAll(async () => {
  lab = await CrashLab.open();
  const { exitCode, all } = await lab.run(["up"]);
  expect(exitCode, all).toBe(0);
}, 120_000);
afterAll(() => lab?.close());

describe("a host whose rebuild ended badly", () => {
  it.each<[Fault, string]>([
    ["failed action", "POST /servers/{id}/actions/rebuild"],
    ["timeout", "POST /servers/{id}/actions/rebuild"],
  ])(
    "is installed by one more up: %s at %s",
    async (fault, endpoint) => {
      const disturbance = { kind: "fault" as const, fault, call: { endpoint, nth: 1 } };
      expect(await runCase(lab, "reinstall", disturbance), nameOf(disturbance)).toMatchObject({
        disturbed: true,
        converged: true,
        leftOpen: false,
        orphans: 0,
        wrong: [],
      });
    },
    240_000,
  );
});
