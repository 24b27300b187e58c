import { contestantNames, type Step } from "./contestants.ts";
import type { BenchRecord, Row } from "./record.ts";

/** Figures that are compared. */
const figures = ["seconds", "cpu", "peakMib", "requests"] as const;
export type Figure = (typeof figures)[number];

/** What of ours is how many times OpenTofu's. */
export interface Ratio extends Record<Figure, number> {
  hosts: number;
  latencyMs: number;
  step: Step;
}

/** Ratios hold on other machines, seconds do not. A step that only one of the two did has no ratio. */
export function ratiosOf(rows: readonly Row[]): Ratio[] {
  return rows.flatMap((ours) => {
    const { hosts, latencyMs, step } = ours;
    const theirs = rows.find((each) => {
      return each.contestant === contestantNames.tofu && isSameWork(each, ours);
    });
    if (ours.contestant !== contestantNames.ours || !theirs) return [];
    const ratio = (figure: Figure) =>
      theirs[figure] === 0 ? Number(ours[figure] === 0) : ours[figure] / theirs[figure];
    return [
      {
        hosts,
        latencyMs,
        step,
        seconds: ratio("seconds"),
        cpu: ratio("cpu"),
        peakMib: ratio("peakMib"),
        requests: ratio("requests"),
      },
    ];
  });
}

/** How much a ratio may grow before it counts as a regression: what two runs at rest differ by, and a bit. */
export const tolerance: Readonly<Record<Figure, number>> = { seconds: 1.25, cpu: 1.15, peakMib: 1.15, requests: 1.001 };

/**
 * What got worse beside OpenTofu since the last measurement, a line each. Times count only if both were taken at rest;
 * processor time, memory and requests always do.
 */
export function regressions(last: BenchRecord, now: BenchRecord): string[] {
  const compared = figures.filter((figure) => figure !== "seconds" || (last.atRest && now.atRest));
  const before = ratiosOf(last.rows);
  return ratiosOf(now.rows).flatMap((ratio) => {
    const former = before.find((each) => isSameWork(each, ratio));
    if (!former) return [];
    return compared
      .filter((figure) => ratio[figure] > former[figure] * tolerance[figure])
      .map((figure) => {
        const { hosts, latencyMs, step } = ratio;
        const grew = `${former[figure].toFixed(2)} to ${ratio[figure].toFixed(2)} times OpenTofu's`;
        return `${hosts} hosts, ${latencyMs} ms, ${step}: ${figure} went from ${grew}`;
      });
  });
}

type Work = Pick<Row, "hosts" | "latencyMs" | "step">;

function isSameWork(one: Work, other: Work): boolean {
  return one.hosts === other.hosts && one.latencyMs === other.latencyMs && one.step === other.step;
}
