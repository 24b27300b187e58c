import { run } from "./run.ts";

/** Seconds by which the clock that dates a process and ours may differ: `ps` counts whole seconds. */
const slackSeconds = 3;

/**
 * Whether a process is alive, and is the one that had this number at `since`: a number is given to another process later on. A
 * dead process that nobody has buried counts as gone.
 * @param since ISO 8601, a moment at which it was running
 */
export async function isAlive(pid: number, since: string): Promise<boolean> {
  const { exitCode, stdout } = await run("ps", ["-p", String(pid), "-o", "stat=,etime="], { timeoutSeconds: 5 });
  const [stat = "Z", elapsed = ""] = stdout.trim().split(/\s+/);
  if (exitCode !== 0 || stat.startsWith("Z")) return false;
  const startedAt = Date.now() / 1000 - secondsOf(elapsed);
  return startedAt <= Date.parse(since) / 1000 + slackSeconds;
}

/** Of `[[days-]hours:]minutes:seconds`. */
export function secondsOf(elapsed: string): number {
  const [days = "0", time = ""] = elapsed.includes("-") ? elapsed.split("-") : ["0", elapsed];
  return Number(days) * 86_400 + time.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
}
