import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { readRoster } from "../../core/project/groups/roster.ts";
import { addToStackFile } from "../../core/project/settings/stack-file.ts";
import { type GroupLab, openGroupLab } from "./_group-lab.ts";

/** A program whose group has one thing wrong, by the real engine. */
let lab: GroupLab;
beforeAll(async () => {
  lab = await openGroupLab();
}, 120_000);
afterAll(async () => {
  await lab?.close();
});
beforeEach(() => lab.control("reset-counters", {}));

/** Requests that made something. */
const writes = () => Object.keys(lab.emulator.report().requests).filter((request) => request.startsWith("POST"));

describe("nothing is created, and no roster is written, while", () => {
  it.each<[string, object, RegExp]>([
    ["the count is a fraction", { count: 1.5 }, /count: is 1\.5; allowed: a whole number from 0 to 100/],
    ["the time to live is zero", { count: 1, ttl: "0h" }, /ttl: is "0h"; allowed: whole minutes, hours or days/],
    [
      "the pattern is missing",
      { count: 1, like: "worker" },
      /like: is "worker", which has no stack file \(did you mean "workers"\?\)/,
    ],
    ["a protected host is not in the group", { count: 1, protect: ["web-1"] }, /"web-1" is not a host of this group/],
    [
      "the component and what it loaded have two names",
      { count: 1, loadAs: "worker" },
      /HostGroup "workers": it was loaded as "worker".*Use one name in both places/s,
    ],
  ])(
    "%s",
    async (_, declared, reason) => {
      lab.declare({ name: "workers", count: 1, ...declared });
      const { exitCode, all } = await lab.pulumi("up", "--yes", "--skip-preview");
      expect([exitCode === 0, String(all)]).toEqual([false, expect.stringMatching(reason)]);
      expect(String(all)).not.toMatch(/unhandled|\n\s+at .*:\d+:\d+/);
      expect([writes(), readRoster(lab.layout, "workers")]).toEqual([[], undefined]);
    },
    120_000,
  );

  it("the pattern starts from a snapshot", async () => {
    await addToStackFile(lab.layout, "workers", { image: "250000001", install: { mode: "snapshot" } }, [
      "image",
      "install",
    ]);
    lab.declare({ name: "workers", count: 1 });
    for (const operation of [["preview"], ["up", "--yes", "--skip-preview"]]) {
      const { exitCode, all } = await lab.pulumi(...operation);
      expect([exitCode === 0, String(all)]).toEqual([
        false,
        expect.stringMatching(/install\.mode: is "snapshot", and a snapshot holds the system of one host/),
      ]);
    }
    expect([writes(), readRoster(lab.layout, "workers")]).toEqual([[], undefined]);
  }, 120_000);
});
