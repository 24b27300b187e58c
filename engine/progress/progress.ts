export { printable } from "../../core/base/wording.ts";

/** A change of one row in the list that a terminal shows; elsewhere it is a line, or nothing. */
export interface Step {
  /** Identifies the row. */
  id: string;
  /** The row that this one is a part of. Parts come one after the other: a new one ends the last. */
  parent?: string;
  state: "running" | "done" | "failed";
  /** Name of the row: `creating Server web-1-server`. @default unchanged */
  title?: string;
  /** What it is doing, or what it waits for. */
  detail?: string;
  /** How long this may take. */
  limitSeconds?: number;
  /** The line where no list is shown. @default none */
  line?: string;
}

/** Where progress goes: standard error, so that standard output stays for results. */
export interface Progress {
  /** Something that a person should read, which no row shows. */
  (text: string): void;
  /** @default each step's line is written */
  step?: (step: Step) => void;
}

/** Shows a step as a row, or as its line where there are only lines. */
export function showStep(progress: Progress, step: Step): void {
  if (progress.step) progress.step(step);
  else if (step.line !== undefined) progress(step.line);
}
