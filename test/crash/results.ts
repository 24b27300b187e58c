import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import type { MachineKind } from "./_machine-kinds.ts";
import type { Call } from "./disturbances.ts";
import type { CaseResult, Operation } from "./life.ts";

export type Calls = Record<Operation, Call[]>;
export type Results = Map<string, CaseResult>;

type Line = { calls: Calls; machine?: MachineKind } | { name: string; result: CaseResult };

/** What a run has found, in a file if there is one: a line for the plan, and one for each case. The next run continues from it. */
export class ResultsFile {
  readonly #path: string | undefined;
  readonly results: Results = new Map();
  calls: Calls | undefined;
  readonly #machine: MachineKind;

  /** @throws Error if the file is of hosts of another kind */
  constructor(path: string | undefined, machine: MachineKind = "x86") {
    this.#path = path;
    this.#machine = machine;
    if (path === undefined || !existsSync(path)) return;
    const text = readFileSync(path, "utf8");
    const whole = text.slice(0, text.lastIndexOf("\n") + 1);
    // A run that was killed while it wrote leaves half a line: that case runs again.
    if (whole !== text) writeFileSync(path, whole);
    for (const line of whole.split("\n").filter((each) => each !== "")) this.#read(JSON.parse(line) as Line);
  }

  #read(line: Line): void {
    if ("calls" in line) {
      const { calls, machine = "x86" } = line;
      if (machine !== this.#machine) {
        throw new Error(`--results: the file is of ${machine}, not of ${this.#machine}. Name another file.`);
      }
      this.calls = calls;
    } else this.results.set(line.name, line.result);
  }

  /** What the runs that are not disturbed ask of Hetzner, from which the cases are made. */
  plan(calls: Calls): void {
    this.add({ calls, machine: this.#machine });
  }

  add(line: Line): void {
    this.#read(line);
    if (this.#path !== undefined) appendFileSync(this.#path, `${JSON.stringify(line)}\n`);
  }
}

/** Of a run that was disturbed and came out as it should. */
export const fine: CaseResult = {
  disturbed: true,
  converged: true,
  leftOpen: false,
  secondsOpen: 0,
  orphans: 0,
  doubleInstalls: 0,
  keysLost: 0,
  wrong: [],
};

export const isFine = ({ wrong, leftOpen, doubleInstalls, keysLost }: CaseResult): boolean =>
  wrong.length + doubleInstalls + keysLost + (leftOpen ? 1 : 0) === 0;

/** The figures of a run, for its last line. */
export function summaryOf(results: Results, left: number) {
  const all = [...results.values()];
  const sum = (value: (result: CaseResult) => number) => all.reduce((total, result) => total + value(result), 0);
  return {
    cases: all.length,
    left,
    disturbed: sum(({ disturbed }) => (disturbed ? 1 : 0)),
    converged: sum(({ converged }) => (converged ? 1 : 0)),
    leftOpen: sum(({ leftOpen }) => (leftOpen ? 1 : 0)),
    secondsOpenBeyondNeed: Math.round(sum(({ secondsOpen }) => secondsOpen) * 10) / 10,
    duplicatesOrOrphans: sum(({ orphans }) => orphans),
    doubleInstalls: sum(({ doubleInstalls }) => doubleInstalls),
    keysLost: sum(({ keysLost }) => keysLost),
    failed: [...results].flatMap(([name, result]) => (isFine(result) && result.converged ? [] : [name])),
  };
}
