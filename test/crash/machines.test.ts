import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CrashLab } from "./_lab.ts";
import type { Disturbance } from "./disturbances.ts";
import { crashInstallation, type Milestone, milestones } from "./installation.ts";
import { type Operation, runCase } from "./life.ts";
import { fine } from "./results.ts";

const life: [Operation, Disturbance][] = [
  ["create", { kind: "kill", victim: "all", call: { endpoint: "POST /servers", nth: 1 } }],
  ["reinstall", { kind: "kill", victim: "all", milestone: /Formatting hard drive/, name: "formatting" }],
  ["destroy", { kind: "fault", fault: "lost answer", call: { endpoint: "DELETE /servers/{id}", nth: 1 } }],
];

/** The hosts that are unlike most: one on ARM, and one without IPv4. Killed where every other host is, with the same outcome. */
describe.each(["arm", "ipv6"] as const)("a host of the kind %s", (kind) => {
  let lab: CrashLab;
  beforeAll(async () => {
    lab = await CrashLab.open(kind);
  }, 60_000);
  afterAll(() => lab?.close());

  it.each(Object.keys(milestones) as Milestone[])(
    "is installed and closed after one more run, if the first was killed at: %s",
    async (milestone) => {
      expect(await crashInstallation(lab, milestone, "the install is killed")).toEqual(fine);
    },
    120_000,
  );

  it("is as it was asked for after one more run, through its whole life", async () => {
    for (const [operation, disturbance] of life)
      expect(await runCase(lab, operation, disturbance), operation).toEqual(fine);
  }, 300_000);
});
