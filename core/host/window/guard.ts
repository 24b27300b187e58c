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

/** What the guard is told on its standard input, before the window is opened. The token goes by environment. */
export interface GuardOrder {
  host: string;
  /** Whose windows it closes: the next run's are not its business, and are guarded by another. */
  run: string;
  endpoint: string;
  /** The server behind the window, and the port on which it answers ssh: the guard tries to connect, too. */
  serverId: number;
  sshPort: number;
  deadlineSeconds: number;
  /** The host's journal of windows. */
  journal: string;
  /** The installation behind the window: what is tidied up when it is killed. */
  install?: GuardedInstall;
}

export interface GuardedInstall {
  /** The installation's journal, and which run of it this is. */
  journal: string;
  startedAt: string;
  /** Folders with keys that the installation makes and removes. */
  leftovers: readonly string[];
}

/** The guard as its parent sees it. */
export interface Guard {
  readonly pid: number;
  /** Tells it of the installer's process group, to be ended when we die. */
  watch(processGroup: number): void;
  /** Tells it that the window was seen closed; it then ends without doing anything. */
  dismiss(): Promise<void>;
  /** Tells it to close the window now, and lets go of it: this process could not close it, and may end. */
  takeOver(): void;
  /** Tells it that the window stays open until its deadline, and lets go of it: this process may end. */
  leave(): void;
}

/** Seconds it may take to start, and to end once it was dismissed. One that is stopped or starved must hold up nobody. */
const limits = { start: 60, end: 10 };

/**
 * Starts a process of its own session that closes the host's windows when this process dies, however it dies, or when the
 * deadline passes. It is started before a window is opened, so that there is no moment at which only we know of one.
 */
export async function startGuard(order: GuardOrder, token: string, logs: string): Promise<Guard> {
  makePrivateFolder(logs);
  const log = join(logs, "guard.log");
  const logDescriptor = openSync(log, "a", 0o600);
  // Plain spawn: execa would carry the log through this process, and the guard would die of it together with us.
  const child = spawn(process.execPath, [join(packageRoot, "bin", "guard.mjs")], {
    env: cleanEnvironment({ HCLOUD_TOKEN: token }),
    detached: true,
    stdio: ["pipe", "pipe", logDescriptor],
  });
  closeSync(logDescriptor);
  const ended = once(child, "exit");
  const { stdin, stdout } = child;
  if (!stdin || !stdout) throw new Error("spawn gave no pipes, though it was asked for them");
  const pid = child.pid ?? 0; // Without one nothing answers "ready" below.
  stdin.on("error", () => child.unref()); // It ended before us: what it did is in its log.
  stdin.write(`${JSON.stringify(order)}\n`);
  const lines = createInterface({ input: stdout });
  const late = sleep(limits.start * 1000, ["late"], { ref: false });
  const [first] = await Promise.race([once(lines, "line"), ended.then(() => ["ended"]), late]);
  if (first !== "ready") {
    child.kill("SIGKILL");
    child.unref();
    throw new UserError({
      subject: order.host,
      problem: `the guard that closes the window if we are killed did not start; see ${log}.`,
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
