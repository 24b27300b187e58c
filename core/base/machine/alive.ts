import { run } from "./run.ts";

/** Tolerance when comparing start times, in seconds: `ps` only reports whole seconds. */
const slackSeconds = 3;

/**
 * True if the process is alive and already had this PID at `since` (PIDs are reused). A zombie counts as gone.
 * @param since ISO 8601, a time at which it was running
 */
export async function isAlive(pid: number, since: string): Promise<boolean> {
  const { exitCode, stdout } = await run("ps", ["-p", String(pid), "-o", "stat=,etime="], { timeoutSeconds: 5 });
  const [stat = "Z", elapsed = ""] = stdout.trim().split(/\s+/);
  if (exitCode !== 0 || stat.startsWith("Z")) return false;
  const startedAt = Date.now() / 1000 - secondsOf(elapsed);
  return startedAt <= Date.parse(since) / 1000 + slackSeconds;
}

/** Parses `[[days-]hours:]minutes:seconds`. */
export function secondsOf(elapsed: string): number {
  const [days = "0", time = ""] = elapsed.includes("-") ? elapsed.split("-") : ["0", elapsed];
  return Number(days) * 86_400 + time.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
}
