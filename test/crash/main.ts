/**
 * `npm run crash-matrix`: disturbs the life of a host at every call of Hetzner's API and every milestone, runs the command once more, and
 * checks that everything is as requested. Ends with one line of figures, and exits 1 unless all converged and nothing was left open, made
 * twice, wiped or lost.
 */
import pMap from "p-map";
import { CrashLab } from "./_lab.ts";
import { allCases, type Cases, caseName } from "./cases.ts";
import { crashInstallation, installationCases, installationName } from "./installation.ts";
import { type CaseResult, callsOf, operations, runCase } from "./life.ts";
import { optionsOf, usage } from "./options.ts";
import { type Calls, isFine, ResultsFile, summaryOf } from "./results.ts";

const options = optionsOf(process.argv.slice(2));
if ("wrong" in options) {
  process.stderr.write(`${options.wrong}\n\n${usage}`);
  process.exit(2);
}
if (options.help) {
  process.stdout.write(usage);
  process.exit(0);
}
const { pattern, every, from, minutes, machine } = options;

const tell = (text: string) => process.stderr.write(`${text}\n`);
const startedAt = Date.now();
const file = openResults(options.results);
let isStopped = false;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    if (isStopped) process.exit(1);
    isStopped = true;
    tell("stopping: the cases that are running are not counted");
  });
}
const isOver = () => isStopped || Date.now() - startedAt > minutes * 60_000;

const labs = await Promise.all(Array.from({ length: options.labs }, () => CrashLab.open(machine)));
const [first] = labs;
if (first && !file.calls) file.plan(await callsIn(first));
const cases = chosen(allCases(file.calls as Calls));
const installations = installationCases().filter((each, index) => isChosen(installationName(each), index));
const planned = [
  ...operations.flatMap((operation) => cases[operation].map((each) => caseName(operation, each))),
  ...installations.map(installationName),
];
tell(`${planned.length} cases to run, ${file.results.size} already in the results`);

// A life after the other in each lab, with what is left to be tried at each of its operations.
await pMap(labs, async (_, index) => {
  while (!isOver() && operations.some((operation) => cases[operation].length > 0)) {
    let isOpen = false;
    for (const operation of operations) {
      const lab = labs[index] as CrashLab;
      const disturbance = isOver() ? undefined : cases[operation].shift();
      // Without one it is only the way to the next.
      const isNeeded =
        disturbance || operation === "create" || operation === "destroy" || (operation === "close" && isOpen);
      isOpen ||= operation === "open" && disturbance !== undefined;
      const name = disturbance ? caseName(operation, disturbance) : `${operation}: undisturbed`;
      if (!isNeeded || isStopped) continue;
      const fine = await one(name, disturbance !== undefined, () => runCase(lab, operation, disturbance));
      if (fine) continue;
      // What went wrong here is not to be counted again in what comes after it.
      await lab.close();
      labs[index] = await CrashLab.open(machine);
      break;
    }
  }
});
await pMap(labs, async (lab) => {
  while (!isOver()) {
    const next = installations.shift();
    if (!next) break;
    const [milestone, disturbance] = next;
    await one(installationName(next), true, () => crashInstallation(lab, milestone, disturbance));
  }
});
await Promise.all(labs.map((lab) => lab.close()));

function openResults(path: string | undefined): ResultsFile {
  try {
    return new ResultsFile(path, machine);
  } catch (error) {
    tell((error as Error).message);
    process.exit(2);
  }
}

async function callsIn(lab: CrashLab): Promise<Calls> {
  const calls: [string, Calls[keyof Calls]][] = [];
  for (const operation of operations) calls.push([operation, await callsOf(lab, operation)]);
  return Object.fromEntries(calls) as Calls;
}

async function one(name: string, isCase: boolean, run: () => Promise<CaseResult>): Promise<boolean> {
  const began = Date.now();
  const result = await run();
  if (isStopped) return false;
  const fine = isFine(result);
  const seconds = Math.round((Date.now() - began) / 1000);
  tell(
    `${fine ? "ok  " : "FAIL"} ${name} (${seconds} s)${result.disturbed || !isCase ? "" : ", it did not come about"}`,
  );
  if (!fine) tell(`       ${JSON.stringify(result)}`);
  if (isCase) file.add({ name, result });
  return fine;
}

function isChosen(name: string, index: number): boolean {
  return index % every === from % every && pattern.test(name) && !file.results.has(name);
}

function chosen(all: Cases): Cases {
  const pick = (operation: keyof Cases) =>
    all[operation].filter((each, index) => isChosen(caseName(operation, each), index));
  return Object.fromEntries(operations.map((operation) => [operation, pick(operation)])) as Cases;
}

const summary = summaryOf(file.results, planned.filter((name) => !file.results.has(name)).length);
const results = [...file.results].map(([name, result]) => ({ name, result }));
process.stdout.write(`${JSON.stringify(options.json ? { ...summary, results } : summary)}\n`);
const isGood = summary.failed.length === 0 && summary.duplicatesOrOrphans === 0;
process.exit(isGood && !isStopped ? 0 : 1);
