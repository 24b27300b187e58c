/**
 * `npm run crash-matrix -- [--json] [--only PATTERN] [--every N] [--labs N]`: disturbs the life of a host at every call of
 * Hetzner's API and every milestone, runs the command once more, and checks that all is as it was asked for. `--only` takes
 * a regular expression on `operation: disturbance`, `--every 3` each third case. Ends with one line of figures, and exits 1
 * unless all converged and nothing was left open, made twice, wiped or lost.
 */
import { parseArgs } from "node:util";
import pMap from "p-map";
import { CrashLab } from "./_lab.ts";
import { allCases, type Cases } from "./cases.ts";
import { nameOf } from "./disturbances.ts";
import {
  crashInstallation,
  disturbances,
  type Disturbance as InstallDisturbance,
  type Milestone,
  milestones,
} from "./installation.ts";
import { type CaseResult, callsOf, type Operation, operations, runCase } from "./life.ts";

const { values } = parseArgs({
  options: {
    json: { type: "boolean" },
    only: { type: "string", default: "" },
    every: { type: "string", default: "1" },
    labs: { type: "string", default: "2" },
  },
});

const tell = (text: string) => process.stderr.write(`${text}\n`);
const pattern = new RegExp(values.only);
const every = Number(values.every);

const labs = await Promise.all(Array.from({ length: Number(values.labs) }, () => CrashLab.open()));
const [first] = labs;
if (!first) throw new Error("--labs: allowed: 1 or more");
const calls: [Operation, Awaited<ReturnType<typeof callsOf>>][] = [];
for (const operation of operations) calls.push([operation, await callsOf(first, operation)]);
const cases = chosen(allCases(Object.fromEntries(calls) as Parameters<typeof allCases>[0]));
tell(operations.map((operation) => `${cases[operation].length} ${operation}`).join(", "));

// A life after the other in each lab, with what is left to be tried at each of its operations.
const results: { name: string; result: CaseResult }[] = [];
await pMap(labs, async (_, index) => {
  while (operations.some((operation) => cases[operation].length > 0)) {
    for (const operation of operations) {
      const lab = labs[index] as CrashLab;
      const disturbance = cases[operation].shift();
      // Without one it is only the way to the next.
      const isNeeded = disturbance || operation === "create" || operation === "destroy" || operation === "close";
      const name = `${operation}: ${disturbance ? nameOf(disturbance) : "undisturbed"}`;
      if (!isNeeded) continue;
      const fine = await one(name, disturbance !== undefined, () => runCase(lab, operation, disturbance));
      if (fine) continue;
      // What went wrong here is not to be counted again in what comes after it.
      await lab.close();
      labs[index] = await CrashLab.open();
      break;
    }
  }
});
const installations = installationCases();
tell(`${installations.length} of the installation alone`);
await pMap(labs, async (lab) => {
  for (let next = installations.shift(); next; next = installations.shift()) {
    const [milestone, disturbance] = next;
    await one(installationName(next), true, () => crashInstallation(lab, milestone, disturbance));
  }
});
await Promise.all(labs.map((lab) => lab.close()));

async function one(name: string, isCase: boolean, run: () => Promise<CaseResult>): Promise<boolean> {
  const startedAt = Date.now();
  const result = await run();
  const { wrong, leftOpen, disturbed } = result;
  const fine = wrong.length + result.doubleInstalls + result.keysLost + (leftOpen ? 1 : 0) === 0;
  const seconds = Math.round((Date.now() - startedAt) / 1000);
  tell(`${fine ? "ok  " : "FAIL"} ${name} (${seconds} s)${disturbed || !isCase ? "" : ", it did not come about"}`);
  if (!fine) tell(`       ${JSON.stringify(result)}`);
  if (isCase) results.push({ name, result });
  return fine;
}

function installationCases(): [Milestone, InstallDisturbance][] {
  const all = (Object.keys(milestones) as Milestone[]).flatMap((milestone) =>
    (Object.keys(disturbances) as InstallDisturbance[]).map((each): [Milestone, InstallDisturbance] => [
      milestone,
      each,
    ]),
  );
  return all.filter((each, index) => index % every === 0 && pattern.test(installationName(each)));
}

function installationName([milestone, disturbance]: [Milestone, InstallDisturbance]): string {
  return `install: ${disturbance}: at ${milestone}`;
}

function chosen(all: Cases): Cases {
  const pick = (operation: Operation) =>
    all[operation].filter((each, index) => index % every === 0 && pattern.test(`${operation}: ${nameOf(each)}`));
  return Object.fromEntries(operations.map((operation) => [operation, pick(operation)])) as Cases;
}

const sum = (value: (result: CaseResult) => number) => results.reduce((all, { result }) => all + value(result), 0);
const summary = {
  cases: results.length,
  disturbed: sum(({ disturbed }) => (disturbed ? 1 : 0)),
  converged: sum(({ converged }) => (converged ? 1 : 0)),
  leftOpen: sum(({ leftOpen }) => (leftOpen ? 1 : 0)),
  secondsOpenBeyondNeed: Math.round(sum(({ secondsOpen }) => secondsOpen) * 10) / 10,
  duplicatesOrOrphans: sum(({ orphans }) => orphans),
  doubleInstalls: sum(({ doubleInstalls }) => doubleInstalls),
  keysLost: sum(({ keysLost }) => keysLost),
};
process.stdout.write(`${JSON.stringify(values.json ? { ...summary, results } : summary)}\n`);
const { cases: count, converged, leftOpen, duplicatesOrOrphans, doubleInstalls, keysLost } = summary;
process.exit(converged === count && leftOpen + duplicatesOrOrphans + doubleInstalls + keysLost === 0 ? 0 : 1);
