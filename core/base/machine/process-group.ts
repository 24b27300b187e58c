import { hasCode } from "../errors.ts";
import { poll } from "../wait-until.ts";
import { type RunOptions, type RunResult, run } from "./run.ts";

/** Seconds between SIGTERM and SIGKILL. */
const grace = 5;

/**
 * Runs a program as `run` does, and ends what it started with it at the time limit or when stopped. Otherwise a child that holds its
 * output, such as an ssh whose connection is stalled, would be waited for.
 */
export async function runInGroup(
  command: string,
  args: readonly string[],
  { timeoutSeconds, signal, ...options }: Omit<RunOptions, "leads">,
): Promise<RunResult> {
  let leader: number | undefined;
  let ended: Promise<void> | undefined;
  let timedOut = false;
  const stop = () => {
    if (leader !== undefined) ended ??= endGroup(leader, grace);
  };
  const stopNow = () => void (leader !== undefined && signalGroup(leader, "SIGKILL"));
  const late = () => {
    timedOut = true;
    stop();
  };
  const timer = timeoutSeconds === undefined ? undefined : setTimeout(late, timeoutSeconds * 1000);
  const leads = (group: number | undefined) => {
    leader = group;
    if (signal?.aborted) stop();
  };
  signal?.addEventListener("abort", stop, { once: true });
  process.once("exit", stopNow);
  try {
    return Object.assign(await run(command, args, { ...options, leads }), { timedOut });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
    process.removeListener("exit", stopNow);
    await ended;
  }
}

/**
 * Ends a process group: SIGTERM, then SIGKILL for whatever is still running after `graceSeconds`.
 * Does not reach processes of other users, or that left the group with `setsid`.
 */
export async function endGroup(group: number, graceSeconds: number): Promise<void> {
  if (!signalGroup(group, "SIGTERM")) return;
  const isGone = async () => ((await isAlive(group)) ? undefined : true);
  if (await poll(isGone, { seconds: graceSeconds, pauseMs: 20 })) return;
  signalGroup(group, "SIGKILL"); // Cannot be caught, but the system needs a moment to end every process.
  await poll(isGone, { seconds: 1, pauseMs: 20 });
}

/** The process groups with a process that has all of these words on its command line. */
export async function groupsWith(words: readonly string[]): Promise<number[]> {
  const lines = (await processes("pgid=,args=")) ?? [];
  const found = lines.filter((line) => words.every((word) => ` ${line} `.includes(` ${word} `)));
  return [...new Set(found.map((line) => Number.parseInt(line, 10)))].filter((group) => group > 1);
}

/** Zombies count as gone: in a container whose PID 1 does not reap children, they stay forever. */
async function isAlive(group: number): Promise<boolean> {
  if (!signalGroup(group, 0)) return false;
  const lines = await processes("pgid=,stat=");
  if (lines === undefined) return true; // Without ps, rely on the signal alone.
  return lines.some((line) => new RegExp(`^\\s*${group}\\s+[^Z]`).test(line));
}

async function processes(columns: string): Promise<string[] | undefined> {
  const seen = await run("ps", ["-A", "-ww", "-o", columns], { timeoutSeconds: 5 }).catch(() => undefined);
  return seen?.exitCode === 0 ? seen.stdout.split("\n") : undefined;
}

/** @returns true if the group had a process */
function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-group, signal);
    return true;
  } catch (error) {
    if (hasCode(error, "ESRCH", "EPERM")) return false; // macOS reports EPERM for zombies.
    throw error;
  }
}
