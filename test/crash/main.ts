/**
 * `npm run crash-matrix -- [--json] [--only PATTERN]`: disturbs an installation at every milestone in every way, and runs it
 * again. Ends with one line: cases, converged, ports left open, wipes of an installed host.
 */
import { parseArgs } from "node:util";
import pMap from "p-map";
import { CrashLab } from "./_lab.ts";
import { type CrashResult, crash, type Disturbance, disturbances, type Milestone, milestones } from "./installation.ts";

const { values } = parseArgs({ options: { json: { type: "boolean" }, only: { type: "string" } } });
const pattern = new RegExp(values.only ?? "");
const cases = (Object.keys(milestones) as Milestone[])
  .flatMap((milestone) =>
    (Object.keys(disturbances) as Disturbance[]).map((disturbance) => [milestone, disturbance] as const),
  )
  .filter((each) => pattern.test(each.join(": ")));

// A lab for each core: one host has one journal, so a lab does one case at a time.
const labs = await Promise.all([CrashLab.open(), CrashLab.open()]);
const queue = [...cases];
const results: CrashResult[] = [];
await pMap(labs, async (lab) => {
  for (let next = queue.shift(); next; next = queue.shift()) {
    const result = await crash(lab, ...next);
    results.push(result);
    const { runsAfter, closed, wipesAfterInstalled, rebuilds, said } = result;
    const fine = runsAfter > 0 && closed && wipesAfterInstalled === 0;
    process.stderr.write(
      `${fine ? "ok  " : "FAIL"} ${next.join(": ")}: ${runsAfter} more run(s), ${rebuilds} rebuild(s)${fine ? "" : `, closed ${closed}, wipes ${wipesAfterInstalled}`}\n${said.map((text) => `       ${text}\n`).join("")}`,
    );
  }
});
await Promise.all(labs.map((lab) => lab.close()));

const count = (test: (result: CrashResult) => boolean) => results.filter(test).length;
const summary = {
  cases: results.length,
  disturbed: count(({ disturbed }) => disturbed),
  converged: count(({ runsAfter, installed }) => runsAfter > 0 && installed),
  portsLeftOpen: count(({ closed }) => !closed),
  wipesOfInstalledHosts: results.reduce((sum, { wipesAfterInstalled }) => sum + wipesAfterInstalled, 0),
};
process.stdout.write(values.json ? `${JSON.stringify({ ...summary, results })}\n` : `${JSON.stringify(summary)}\n`);
process.exit(
  summary.converged === summary.cases && summary.portsLeftOpen + summary.wipesOfInstalledHosts === 0 ? 0 : 1,
);
