import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { UserError } from "../../base/errors.ts";
import { packageRoot } from "../../base/machine/package-root.ts";
import { makePrivateFolder } from "../../base/machine/private-files.ts";
import { cleanEnvironment } from "../../base/machine/run.ts";

/** What the guard is told on its standard input, before the window is opened. The token goes by environment. */
export interface GuardOrder {
  host: string;
  /** Whose windows it closes: the next run's are not its business, and are guarded by another. */
  run: string;
  endpoint: string;
  deadlineSeconds: number;
  /** The host's journal of windows. */
  journal: string;
  /** True for a window that stays until its deadline though whoever opened it has ended. */
  outlivesParent?: boolean;
}

/** The guard as its parent sees it. */
export interface Guard {
  /** Tells it of the installer's process group, to be ended when we die. */
  watch(processGroup: number): void;
  /** Tells it that the window was seen closed; it then goes without doing anything. */
  dismiss(): Promise<void>;
  /** Tells it to close the window now, and lets go of it: this process could not close it, and may end. */
  takeOver(): void;
  /** Lets go of it: it stays until its deadline, and this process may end. Only where it was told so in its order. */
  leave(): void;
}

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
  stdin.on("error", () => child.unref()); // It ended before us: what it did is in its log.
  stdin.write(`${JSON.stringify(order)}\n`);
  const lines = createInterface({ input: stdout });
  const [first] = await Promise.race([once(lines, "line"), ended.then(() => ["ended"])]);
  if (first !== "ready") {
    throw new UserError(`${order.host}: the guard that closes the window if we are killed did not start; see ${log}.`);
  }
  const leave = () => {
    lines.close();
    stdout.destroy();
    child.unref();
  };
  return {
    watch: (processGroup) => stdin.write(`${JSON.stringify({ processGroup })}\n`),
    async dismiss() {
      stdin.end(`${JSON.stringify({ closed: true })}\n`);
      await ended;
    },
    takeOver() {
      stdin.end(`${JSON.stringify({ close: true })}\n`);
      leave();
    },
    leave() {
      stdin.destroy();
      leave();
    },
  };
}
