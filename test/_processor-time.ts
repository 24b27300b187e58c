/** The processor time of a test file: unlike its duration, comparable between runs on a busy machine. */
import { existsSync, readFileSync } from "node:fs";
import { isMainThread } from "node:worker_threads";

declare module "vitest" {
  interface TaskMeta {
    /** Of a test file and of the programs that it started and that have ended. */
    processorSeconds?: number;
  }
}

/** Fields 14 to 17: user and system time of the process, and of its children that have ended, with theirs; in ticks of 10 ms. */
const statFile = "/proc/self/stat";

/** @returns undefined on other systems than Linux, and in a thread, which shares its process with other files */
export function processorSeconds(): number | undefined {
  if (!isMainThread || !existsSync(statFile)) return undefined;
  const stat = readFileSync(statFile, "latin1");
  // The second field is the program's name, in parentheses, and may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks) / 100, 0);
}
