import { readdirSync, readFileSync } from "node:fs";
import { type Options as ExecaOptions, execa } from "execa";

/** One run of one command. */
export interface Figures {
  seconds: number;
  /** Processor time of the command and all that it started and waited for, in seconds. Holds on a busy machine. */
  cpu: number;
  /** Peak memory of all its processes together, sampled every 20 ms; shared pages count once per process. */
  peakMib: number;
}

/** @throws with the command's own words if it fails: a figure of a failure means nothing */
export async function measure(file: string, args: string[], options: ExecaOptions): Promise<Figures> {
  const startedAt = performance.now();
  const before = childSeconds();
  const running = execa(file, args, { ...options, stdin: "ignore", all: true, reject: false, extendEnv: false });
  let peak = 0;
  const watch = setInterval(() => {
    peak = Math.max(peak, residentKib(running.pid ?? 0));
  }, 20);
  const { exitCode, all } = await running;
  clearInterval(watch);
  const seconds = (performance.now() - startedAt) / 1000;
  if (exitCode !== 0) throw new Error(`${file} ${args.join(" ")} ended with ${exitCode}:\n${String(all).slice(-3000)}`);
  return { seconds, cpu: childSeconds() - before, peakMib: peak / 1024 };
}

/** Of this process's children that have ended, as the kernel adds them up. Clock ticks are 10 ms on Linux. */
function childSeconds(): number {
  const [, , , , , , , , , , , , , user, system] = statOf("self");
  return (Number(user) + Number(system)) / 100;
}

/** Fields after the name, which may hold spaces: state, parent, … */
function statOf(pid: number | "self"): string[] {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  return text.slice(text.lastIndexOf(")") + 2).split(" ");
}

function residentKib(pid: number): number {
  try {
    const own = Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]) * 4;
    const threads = readdirSync(`/proc/${pid}/task`);
    const children = threads.flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").trim().split(" "),
    );
    return own + children.filter(Boolean).reduce((sum, child) => sum + residentKib(Number(child)), 0);
  } catch {
    return 0; // It ended between the listing and the read.
  }
}

/** The middle one; of two, the mean of both. */
export function median(all: readonly number[]): number {
  const sorted = [...all].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const [low, high] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  if (low === undefined || high === undefined) throw new Error("there is no median of nothing");
  return (low + high) / 2;
}
