import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { hostname } from "node:os";
import { dirname, join, relative } from "node:path";
import { z } from "zod";
import { hasCode, UserError } from "../../core/base/errors.ts";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { run } from "../../core/base/machine/run.ts";
import { parseJson } from "../../core/base/text/json.ts";
import type { Layout } from "../../core/project/layout.ts";

/** As Pulumi's file backend writes it (pkg/backend/diy/lock.go). */
const lockContent = z.object({ pid: z.number(), username: z.string(), hostname: z.string(), timestamp: z.string() });

/**
 * Removes the stack's locks whose engine on this machine is gone, as after SIGKILL or a power cut.
 * @throws UserError (busy) that names who has one: an engine that lives, or one on another machine
 */
export async function clearDeadLocks(layout: Layout, host: string, tell: (text: string) => void): Promise<void> {
  for (const file of locksOf(layout, host)) {
    const text = readStateFile(file);
    if (text === undefined) continue; // Its engine has just ended.
    const where = relative(layout.root, file);
    const content = parseJson(text);
    if (content === undefined && isAbandoned(file)) {
      rmSync(file, { force: true });
      tell(`${host}: ${where} was truncated by a killed run and has been removed`);
      continue;
    }
    const lock = lockContent.safeParse(content).data;
    if (lock === undefined)
      throw busy(
        host,
        `${where} is not a lock that Pulumi writes.`,
        "If a run is just starting, wait 10 s and run the same command again; otherwise remove it.",
      );
    const who = `an engine of ${lock.username} on ${lock.hostname} (process ${lock.pid}, since ${lock.timestamp})`;
    if (lock.hostname !== hostname()) {
      throw busy(
        host,
        `${who} has locked the stack.`,
        `Wait for it to finish; if it will never finish: eval "$(npx --no-install clawdlets env --host ${host})" && pulumi cancel ${host}`,
      );
    }
    if (await isEngine(lock.pid))
      throw busy(host, `${who} is working on it.`, "Wait for it to end, then run this again.");
    rmSync(file, { force: true });
    tell(`${host}: ${who} was killed; removed its lock on the stack`);
  }
}

/** A lock is written in one go when an engine begins, so one that is incomplete for this long is nobody's. Milliseconds. */
const writtenWithin = 10_000;

function isAbandoned(file: string): boolean {
  const stat = statSync(file, { throwIfNoEntry: false });
  return stat !== undefined && Date.now() - stat.mtimeMs > writtenWithin;
}

/** What Pulumi keeps below `.clawdlets/state` is 0644, in a folder that nobody else can enter. @returns undefined where there is none */
function readStateFile(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

const busy = (host: string, problem: string, fix: string) =>
  new UserError({ code: "busy", subject: host, problem, fix }, { exitCode: exitCodes.busy });

function locksOf(layout: Layout, host: string): string[] {
  const folder = join(layout.state, ".pulumi", "locks");
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => join(folder, name));
  // …/locks/organization/<project>/<stack>/<id>.json
  return files.filter((file) => file.endsWith(".json") && dirname(file).endsWith(`/${host}`));
}

/** Whether a process of that number is an engine: another one may have got the number since. */
async function isEngine(pid: number): Promise<boolean> {
  const { exitCode, stdout } = await run("ps", ["-p", String(pid), "-o", "stat=,comm="], { timeoutSeconds: 5 });
  return exitCode === 0 && /^[^Z]\S*\s+.*pulumi/.test(stdout.trim());
}
