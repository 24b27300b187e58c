import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { chartOf } from "../../bench/compare/chart.ts";
import { contestantNames, type Step } from "../../bench/compare/contestants.ts";
import { ratiosOf, regressions, tolerance } from "../../bench/compare/ratios.ts";
import { type BenchRecord, highestLoad, isAtRest, type Row, readRecord } from "../../bench/compare/record.ts";
import { pageOf } from "../../bench/compare/table.ts";

const row = (contestant: keyof typeof contestantNames, step: Step, figures: Partial<Row> = {}): Row => ({
  hosts: 1,
  latencyMs: 0,
  contestant: contestantNames[contestant],
  step,
  seconds: 2,
  cpu: 1,
  peakMib: 100,
  requests: 11,
  stateBytes: 1024,
  runs: 3,
  ...figures,
});

const recordOf = (rows: Row[], atRest = true): BenchRecord => ({
  date: "2026-11-27",
  commit: "0123456",
  machine: { processor: "a processor", cores: 2, memoryGiB: 4, architecture: "x64" },
  versions: { opentofu: "1.2.3" },
  load: atRest ? 0.5 : 12,
  atRest,
  rows,
});

describe("ratiosOf", () => {
  it("divides ours by OpenTofu's of the same hosts, latency and step", () => {
    const rows = [
      row("ours", "create", { seconds: 6, cpu: 3, peakMib: 150 }),
      row("tofu", "create"),
      row("tofu", "create", { hosts: 10, seconds: 100 }),
      row("tofu", "create", { latencyMs: 50, seconds: 100 }),
      row("tofu", "destroy", { seconds: 100 }),
    ];
    const same = { hosts: 1, latencyMs: 0, step: "create" };
    expect(ratiosOf(rows)).toEqual([{ ...same, seconds: 3, cpu: 3, peakMib: 1.5, requests: 1 }]);
  });

  it("has none for what only one of them did, and calls no requests on both sides equal", () => {
    expect(ratiosOf([row("ours", "create")])).toEqual([]);
    const both = [row("ours", "no change", { requests: 0 }), row("tofu", "no change", { requests: 0 })];
    expect(ratiosOf(both)).toMatchObject([{ requests: 1 }]);
  });
});

describe("regressions", () => {
  const before = recordOf([row("ours", "create"), row("tofu", "create")]);
  const now = (figures: Partial<Row>, atRest = true) =>
    recordOf([row("ours", "create", figures), row("tofu", "create")], atRest);

  it.each([
    ["seconds", tolerance.seconds],
    ["cpu", tolerance.cpu],
    ["peakMib", tolerance.peakMib],
  ] as const)("names %s above its tolerance, and nothing below it", (figure, allowed) => {
    const usual = row("ours", "create")[figure];
    expect(regressions(before, now({ [figure]: usual * allowed * 0.99 }))).toEqual([]);
    expect(regressions(before, now({ [figure]: usual * allowed * 1.01 }))).toEqual([
      expect.stringMatching(new RegExp(`^1 hosts, 0 ms, create: ${figure} went from 1.00 to `)),
    ]);
  });

  it("names one request more", () => {
    expect(regressions(before, now({ requests: 12 }))).toHaveLength(1);
  });

  it("compares times only where both were taken at rest, and everything else always", () => {
    const slow = { seconds: 20, cpu: 5 };
    expect(regressions(before, now(slow))).toHaveLength(2);
    expect(regressions(before, now(slow, false))).toEqual([expect.stringContaining("cpu")]);
  });

  it("holds on a machine that is ten times as slow, and for work that was not measured before", () => {
    const slower = recordOf([row("ours", "create", { seconds: 20 }), row("tofu", "create", { seconds: 20 })]);
    expect(regressions(before, slower)).toEqual([]);
    expect(regressions(recordOf([]), now({ seconds: 100 }))).toEqual([]);
  });
});

it.each([
  [0, true],
  [highestLoad, true],
  [highestLoad + 0.01, false],
])("a load of %d is at rest: %s", (load, expected) => {
  expect(isAtRest(load)).toBe(expected);
});

describe("the results in the repository", () => {
  const read = (name: string) => readFileSync(`test/bench/results/${name}`, "utf8");
  const record = readRecord("test/bench/results/opentofu.json");

  it("have the page and the chart that their data makes", () => {
    expect(read("opentofu.md")).toBe(pageOf(record));
    expect(read("opentofu.svg")).toBe(chartOf(record));
  });

  it("say whether the machine was at rest as its load says it", () => {
    expect(record.atRest).toBe(isAtRest(record.load));
  });
});

it("a chart of a busy machine says so", () => {
  const rows = [row("ours", "create"), row("tofu", "create")];
  expect(chartOf(recordOf(rows, false))).toContain("on a busy machine (load 12)");
  expect(chartOf(recordOf(rows))).not.toContain("busy");
});
