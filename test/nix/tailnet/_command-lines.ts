import { readdirSync, readFileSync } from "node:fs";
import { setImmediate } from "node:timers/promises";

/** Reads the command line of every process again and again, as any local user can, until the work is done. @returns those with the text */
export async function commandLinesWith<T>(text: string, work: Promise<T>): Promise<{ found: Set<string>; result: T }> {
  const found = new Set<string>();
  const done = new AbortController();
  void work.catch(() => undefined).finally(() => done.abort());
  while (!done.signal.aborted) {
    for (const id of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      const line = lineOf(id);
      if (line.includes(text)) found.add(line.trim());
    }
    await setImmediate();
  }
  return { found, result: await work };
}

function lineOf(id: string): string {
  try {
    return readFileSync(`/proc/${id}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return ""; // It has ended meanwhile.
  }
}
