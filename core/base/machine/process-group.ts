import { hasCode } from "../errors.ts";
import { poll } from "../wait-until.ts";
import { run } from "./run.ts";

/**
 * Ends a process group, as far as it is ours: SIGTERM, and SIGKILL for what is still there after `graceSeconds`.
 * Whoever left the group by `setsid` is not ended.
 */
export async function endGroup(group: number, graceSeconds: number): Promise<void> {
  if (!signalGroup(group, "SIGTERM")) return;
  const isGone = async () => ((await isAlive(group)) ? undefined : true);
  if (await poll(isGone, { seconds: graceSeconds, pauseMs: 20 })) return;
  signalGroup(group, "SIGKILL"); // Cannot be refused; the system needs a moment to end every process.
  await poll(isGone, { seconds: 1, pauseMs: 20 });
}

/** The process groups that have a process with every one of these words on its command line. */
export async function groupsWith(words: readonly string[]): Promise<number[]> {
  const lines = (await processes("pgid=,args=")) ?? [];
  const found = lines.filter((line) => words.every((word) => ` ${line} `.includes(` ${word} `)));
  return [...new Set(found.map((line) => Number.parseInt(line, 10)))].filter((group) => group > 1);
}

/** Dead processes that nobody has buried count as gone: in a container whose first process buries none they stay for ever. */
async function isAlive(group: number): Promise<boolean> {
  if (!signalGroup(group, 0)) return false;
  const lines = await processes("pgid=,stat=");
  if (lines === undefined) return true; // No ps here: then as the system says.
  return lines.some((line) => new RegExp(`^\\s*${group}\\s+[^Z]`).test(line));
}

async function processes(columns: string): Promise<string[] | undefined> {
  const seen = await run("ps", ["-A", "-ww", "-o", columns], { timeoutSeconds: 5 }).catch(() => undefined);
  return seen?.exitCode === 0 ? seen.stdout.split("\n") : undefined;
}

/** @returns whether there was anybody in the group */
function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-group, signal);
    return true;
  } catch (error) {
    if (hasCode(error, "ESRCH", "EPERM")) return false; // macOS says EPERM of the dead.
    throw error;
  }
}
