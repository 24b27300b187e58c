import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../../base/errors.ts";
import { cleanEnvironment } from "../../base/machine/environment.ts";
import { packageRoot } from "../../base/machine/package-root.ts";
import { makePrivateFolder } from "../../base/machine/private-files.ts";

/** What the order of each guard has. It is sent on its standard input before anything is opened. The token goes in the environment. */
interface AnyOrder {
  host: string;
  /** The run whose windows it closes. The next run has its own guard. */
  run: string;
  endpoint: string;
  deadlineSeconds: number;
}

/** Order of a window's guard. */
export interface GuardOrder extends AnyOrder {
  /** The window's server, and its ssh port: the guard tries to connect, too. */
  serverId: number;
  sshPort: number;
  /** The host's journal of windows. */
  journal: string;
  /** The installation that the window is for: what to clean up if it is killed. */
  install?: GuardedInstall;
}

export interface GuardedInstall {
  /** The installation's journal, and which run of it this is. */
  journal: string;
  startedAt: string;
  /** Folders with keys that the installation creates and removes. */
  leftovers: readonly string[];
  /** The host's lock: without it, the guard would remove what the next installation has staged. */
  lock: string;
}

/** The guard as its parent sees it. */
export interface Guard {
  readonly pid: number;
  /** Tells it the installer's process group, to end if this process dies. */
  watch(processGroup: number): void;
  /** Tells it that the window is proven closed; it then exits without doing anything. */
  dismiss(): Promise<void>;
  /** Tells it to close the window now, because this process could not, and detaches it: this process may end. */
  takeOver(): void;
  /** Tells it to keep the window open until its deadline, and detaches it: this process may end. */
  leave(): void;
}

/** Seconds it may take to start, and to end once dismissed: a stopped or starved guard must not block us. */
const limits = { start: 60, end: 10 };

/**
 * Starts a watchdog process, in its own session, that closes the host's windows when this process dies for any reason, or when
 * the deadline passes. Start it before opening a window, so that no window is ever unguarded.
 */
export const startGuard = (order: GuardOrder, token: string, logs: string): Promise<Guard> =>
  startGuardOf("window", order, token, logs);

/**
 * Like {@link startGuard}, for something else that has to be closed.
 * @param what the guard's main program, one of bin/guard.mjs
 */
export async function startGuardOf(
  what: "window" | "image",
  order: AnyOrder,
  token: string,
  logs: string,
): Promise<Guard> {
  makePrivateFolder(logs);
  const log = join(logs, "guard.log");
  const logDescriptor = openSync(log, "a", 0o600);
  // Plain spawn: execa would pipe the log through this process, and the guard would die with us (SIGPIPE).
  const child = spawn(process.execPath, [join(packageRoot, "bin", "guard.mjs"), what], {
    env: cleanEnvironment({ HCLOUD_TOKEN: token }),
    detached: true,
    stdio: ["pipe", "pipe", logDescriptor],
  });
  closeSync(logDescriptor);
  const ended = once(child, "exit");
  const { stdin, stdout } = child;
  if (!stdin || !stdout) throw new Error("spawn did not create the pipes");
  const pid = child.pid ?? 0; // Without a pid, nothing answers "ready" below.
  stdin.on("error", () => child.unref()); // It ended before us; its log says what it did.
  stdin.write(`${JSON.stringify(order)}\n`);
  const lines = createInterface({ input: stdout });
  const late = sleep(limits.start * 1000, ["late"], { ref: false });
  const [first] = await Promise.race([once(lines, "line"), ended.then(() => ["ended"]), late]);
  if (first !== "ready") {
    child.kill("SIGKILL");
    child.unref();
    throw new UserError({
      subject: order.host,
      problem: `the guard, which closes TCP/22 if clawdlets is killed, did not start; see ${log}.`,
    });
  }
  const leave = () => {
    lines.close();
    stdout.destroy();
    child.unref();
  };
  return {
    pid,
    watch: (processGroup) => stdin.write(`${JSON.stringify({ processGroup })}\n`),
    async dismiss() {
      stdin.end(`${JSON.stringify({ closed: true })}\n`);
      const hasEnded = await Promise.race([ended.then(() => true), sleep(limits.end * 1000, false, { ref: false })]);
      if (!hasEnded) child.kill("SIGKILL");
      leave();
    },
    takeOver() {
      stdin.end(`${JSON.stringify({ close: true })}\n`);
      leave();
    },
    leave() {
      stdin.end(`${JSON.stringify({ stay: true })}\n`);
      leave();
    },
  };
}
