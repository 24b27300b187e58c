import { readdirSync, readFileSync } from "node:fs";
import { hasCode } from "../../core/base/errors.ts";

/** Looks once a second at the memory of a process and all below it, shared pages counted by share (PSS; Linux). */
export class PeakMemory {
  peakMiB = 0;
  readonly #timer: NodeJS.Timeout;

  constructor(root: number) {
    this.#timer = setInterval(() => {
      this.peakMiB = Math.max(this.peakMiB, Math.round(treeKib(root) / 1024));
    }, 1000);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

function treeKib(root: number): number {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc").filter((each) => /^[0-9]+$/.test(each))) {
    const parent = Number(/^PPid:\s+([0-9]+)/m.exec(read(`/proc/${name}/status`))?.[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const sum = (process: number): number =>
    Number(/^Pss:\s+([0-9]+)/m.exec(read(`/proc/${process}/smaps_rollup`))?.[1] ?? 0) +
    (children.get(process) ?? []).reduce((total, child) => total + sum(child), 0);
  return sum(root);
}

/** A process may end at any moment. */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (hasCode(error, "ENOENT", "ESRCH")) return "";
    throw error;
  }
}
