/**
 * A vitest reporter: the time of each project, the slowest tests, and the files that use the most processor time, printed after the
 * run and kept in `test-timings.json`, which CI uploads. Times of tests that run at the same time add up to more than the run took;
 * processor time hardly depends on what else the machine does. What failed comes last, a line each: CI systems show the end of a
 * log first.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import type { Reporter, TestModule, Vitest } from "vitest/node";
import "./_processor-time.ts";
import { repository } from "./_repository.ts";

const slowest = 20;
const busiest = 40;

interface Timing {
  project: string;
  file: string;
  test: string;
  seconds: number;
}

interface ProjectTiming {
  tests: number;
  files: number;
  /** Of its tests and their hooks, added up. */
  seconds: number;
  /** Of its files and of the programs that these ran to their end. */
  processorSeconds: number;
}

interface FileTiming {
  file: string;
  seconds: number;
  processorSeconds: number;
}

interface Report {
  /** Of the order of tests. */
  seed: number;
  projects: Record<string, ProjectTiming>;
  slowest: Timing[];
  /** Seconds by path, of every file, for test/order/record.ts. */
  files: Record<string, number>;
  busiest: FileTiming[];
}

export default class Timings implements Reporter {
  #seed = 0;

  onInit({ config }: Vitest): void {
    this.#seed = config.sequence.seed;
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    this.reportTimes(modules);
    const failures = modules.flatMap(failuresOf);
    if (failures.length > 0) process.stdout.write(`\nFailed tests:\n${failures.join("\n")}\n`);
  }

  private reportTimes(modules: readonly TestModule[]): void {
    const tests = modules.flatMap(timingsOf);
    if (tests.length < slowest) return;
    const projects: Record<string, ProjectTiming> = {};
    for (const module of modules) {
      const sum = projects[module.project.name] ?? { tests: 0, files: 0, seconds: 0, processorSeconds: 0 };
      projects[module.project.name] = sum;
      sum.files += 1;
      sum.tests += timingsOf(module).length;
      sum.seconds += module.diagnostic().duration / 1000;
      sum.processorSeconds += module.meta().processorSeconds ?? 0;
    }
    tests.sort((a, b) => b.seconds - a.seconds);
    // Threads have none: their files share a process.
    const files = modules.map(fileTimingOf).filter(({ processorSeconds }) => processorSeconds > 0);
    files.sort((a, b) => b.processorSeconds - a.processorSeconds);
    const report: Report = {
      seed: this.#seed,
      projects,
      slowest: tests.slice(0, slowest),
      files: Object.fromEntries(
        modules.map((module) => [module.relativeModuleId, module.diagnostic().duration / 1000]),
      ),
      busiest: files.slice(0, busiest),
    };
    writeFileSync(join(repository, "test-timings.json"), `${JSON.stringify(report, null, 2)}\n`);
    process.stdout.write(`${render(report)}\n`);
  }
}

function timingsOf(module: TestModule): Timing[] {
  const place = { project: module.project.name, file: module.relativeModuleId };
  return [...module.children.allTests()].map((test) => ({
    ...place,
    test: test.fullName,
    seconds: (test.diagnostic()?.duration ?? 0) / 1000,
  }));
}

function fileTimingOf(module: TestModule): FileTiming {
  const { duration } = module.diagnostic();
  const { processorSeconds = 0 } = module.meta();
  return { file: module.relativeModuleId, seconds: duration / 1000, processorSeconds };
}

/** A line for each test, hook and file that failed. */
function failuresOf(module: TestModule): string[] {
  const lines = module.errors().map(({ message }) => failure("", message));
  for (const suite of module.children.allSuites()) {
    lines.push(...suite.errors().map(({ message }) => failure(` > ${suite.fullName}`, message)));
  }
  for (const test of module.children.allTests("failed")) {
    lines.push(failure(` > ${test.fullName}`, test.result().errors?.[0]?.message ?? "no error given"));
  }
  return lines.map((line) => `  ${module.relativeModuleId}${line}`);
}

function failure(name: string, message: string): string {
  const firstLine = stripVTControlCharacters(message).split("\n", 1)[0] ?? "";
  return `${name}: ${firstLine.slice(0, 160)}`;
}

function render({ projects, slowest, busiest }: Report): string {
  const column = (seconds: number) => `${seconds.toFixed(1).padStart(8)} s`;
  return [
    "",
    "Time of each project, its tests added up, and processor time:",
    ...Object.entries(projects).map(
      ([name, { tests, files, seconds, processorSeconds }]) =>
        `  ${name.padEnd(10)}${column(seconds)}${column(processorSeconds)}  ${tests} tests in ${files} files`,
    ),
    "",
    "The slowest tests:",
    ...slowest.map(({ seconds, file, test }) => `  ${column(seconds)}  ${file} > ${test}`),
    "",
    "The files that use the most processor time (after their duration):",
    ...busiest.map(({ seconds, processorSeconds, file }) => `  ${column(seconds)}${column(processorSeconds)}  ${file}`),
  ].join("\n");
}
