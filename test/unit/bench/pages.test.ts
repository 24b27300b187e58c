import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { repository } from "../../_repository.ts";
import { contestantNames, type Step } from "../../bench/compare/contestants.ts";
import { ratiosOf } from "../../bench/compare/ratios.ts";
import type { BenchRecord } from "../../bench/compare/record.ts";

const read = (file: string) => readFileSync(join(repository, file), "utf8");
const record = JSON.parse(read("test/bench/results/opentofu.json")) as BenchRecord;
const page = read("docs/performance.md");

/** As the pages round: two significant digits. */
const rounded = (value: number) => String(value < 10 ? Number(value.toPrecision(2)) : Math.round(value));
const timeOf = (value: number) => `${value < 1 ? value.toFixed(2) : value.toFixed(1)} s`;

const rowOf = (contestant: string) => (hosts: number, step: Step) => {
  const row = record.rows.find(
    (each) => each.hosts === hosts && each.step === step && each.latencyMs === 0 && each.contestant === contestant,
  );
  if (!row) throw new Error(`not measured: ${step} of ${hosts} hosts`);
  return row;
};
const ours = rowOf(contestantNames.ours);
const theirs = rowOf(contestantNames.tofu);
const ratio = (hosts: number, step: Step) => {
  const found = ratiosOf(record.rows).find((each) => each.hosts === hosts && each.step === step && !each.latencyMs);
  return rounded(found?.seconds ?? Number.NaN);
};

it.each<[string, number, Step]>([
  ["create 1 host", 1, "create"],
  ["create 10 hosts", 10, "create"],
  ["create 100 hosts", 100, "create"],
  ["preview 1 unchanged host, no refresh", 1, "no change"],
  ["preview 100 unchanged hosts, no refresh", 100, "no change"],
  ["change one rule of 100 hosts", 100, "change"],
  ["destroy 100 hosts", 100, "destroy"],
])("performance.md has what was measured last: %s", (words, hosts, step) => {
  const cells = [ours(hosts, step), theirs(hosts, step)].map(
    ({ seconds, peakMib }) => `${timeOf(seconds)}, ${Math.round(peakMib)} MiB`,
  );
  expect(page).toContain(`| ${[words, ...cells, ratio(hosts, step)].join(" | ")} |`);
});

it("performance.md has the requests, the state and the aims as they were measured last", () => {
  const [mine, others] = [ours(100, "create"), theirs(100, "create")];
  expect(page).toContain(`| requests to create 100 hosts | ${mine.requests} | ${others.requests} | 1 |`);
  const peak = Math.max(
    ...record.rows.filter(({ contestant }) => contestant === mine.contestant).map((each) => each.peakMib),
  );
  for (const said of [
    `yes: ${timeOf(ours(1, "no change").seconds)}`,
    `no: ${timeOf(ours(100, "no change").seconds)}`,
    `no: ${ratio(100, "create")} times its time`,
    `${Math.round(ours(1, "no change, refreshed").peakMib)} MiB with it; 100 hosts: no, up to ${Math.round(peak)} MiB`,
  ]) {
    expect(page).toContain(said);
  }
  expect(page).toContain(`| ${Math.round((others.stateBytes ?? Number.NaN) / 1024)} KiB |`);
});

it("README.md says how long creating 100 servers takes beside OpenTofu", () => {
  expect(read("README.md")).toContain(`| Creating 100 servers | ${ratio(100, "create")} times OpenTofu's time `);
});
