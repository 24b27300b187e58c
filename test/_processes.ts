import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/**
 * Kills every process that has a folder's path on its command line or that works inside it. Plugins and language hosts of an engine
 * that was killed with SIGKILL notice only at their next health check, minutes later.
 * @param except process ids that are left alone, besides our own
 * @returns a line for each process that was killed
 */
export function killProcessesOf(folder: string, except: readonly string[] = []): string[] {
  return processesOf(folder, except).flatMap(({ pid, line }) => {
    try {
      process.kill(pid, "SIGKILL");
      return [`process ${pid}: ${line}`];
    } catch {
      return []; // It ended meanwhile, or belongs to another user.
    }
  });
}

/** Every process that {@link killProcessesOf} would kill. */
export function processesOf(folder: string, except: readonly string[] = []): { pid: number; line: string }[] {
  if (process.platform !== "linux") return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid && !except.includes(name))
    .flatMap((pid) => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
        const isInside = line.includes(folder) || readlinkSync(`/proc/${pid}/cwd`).startsWith(folder);
        return isInside ? [{ pid: Number(pid), line: line.slice(0, 200) }] : [];
      } catch {
        return []; // It ended meanwhile, or belongs to another user.
      }
    });
}
