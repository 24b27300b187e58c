/**
 * Main program of a bake's guard: if the bake is killed, ends its installer, closes TCP/22 of its server, and deletes what it bought.
 * Never stops trying to close the port. Deleting has a limit, since what is left is closed and named by `doctor` and the next bake.
 */
import { rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { messageOf } from "../../base/errors.ts";
import { takeHostLock } from "../../base/machine/file-lock.ts";
import { readPrivateFile } from "../../base/machine/private-files.ts";
import { sweepRunFolder } from "../../host/install/installer.ts";
import { Deadline } from "../../host/window/deadline.ts";
import { guardedOrder, log, pauses, startGuarding } from "../../host/window/guarding.ts";
import { bakeFiles } from "./baking.ts";
import { closeRun, proveClosed } from "./close-run.ts";
import { removeRun } from "./leftovers.ts";

const schema = guardedOrder.extend({
  sshPort: z.number(),
  own: z.object({ dir: z.string(), lock: z.string(), logs: z.string() }),
});

export type BakeGuardOrder = z.infer<typeof schema>;

/** Seconds. A snapshot that is being made locks its server for up to half an hour. */
const removeSeconds = 3600;

const { order, hetzner, isNeeded, endInstaller } = await startGuarding(schema);
const { host, run, sshPort, own } = order;
const { folder, runFile, files } = bakeFiles(own);
await isNeeded();
const [isRemoved] = await Promise.all([removeForSure(), endInstaller().then(() => sweep(false))]);
if (isRemoved) await sweep(true);
process.exit(0);

/**
 * Closes and deletes until nothing is left twice in a row, some seconds apart: what was being created when the bake was killed may
 * only appear after the first time.
 * @returns false if something was left closed, but could not be deleted
 */
async function removeForSure(): Promise<boolean> {
  const giveUp = new Deadline(removeSeconds);
  let pause = pauses.first;
  for (let clean = 0; clean < 2; ) {
    try {
      await closeRun(hetzner, host, run);
      const count = await removeRun(hetzner, host, run);
      log(count > 0 ? `deleted ${count} that the bake had bought` : "nothing left");
      clean = count > 0 ? 0 : clean + 1;
      pause = pauses.first;
      if (clean < 2) await sleep(pause);
    } catch (error) {
      clean = 0;
      log(`not everything is deleted yet: ${messageOf(error)}`);
      const isClosed = await isProvenClosed();
      if (isClosed && giveUp.remainingMs === 0) return false;
      await sleep(pause);
      pause = Math.min(pause * 2, pauses.longest);
    }
  }
  return true;
}

async function isProvenClosed(): Promise<boolean> {
  try {
    log(await proveClosed(hetzner, { host, run, sshPort }));
    return true;
  } catch (error) {
    log(`not closed yet: ${messageOf(error)}`);
    return false;
  }
}

/**
 * Removes the bake's one-time keys and files. Not while another command works on the host, which may be the next bake: that one removes
 * them itself.
 * @param all also what tells the next bake which leftovers at Hetzner are its own
 */
async function sweep(all: boolean): Promise<void> {
  try {
    const release = await takeHostLock(own.lock, host, () => undefined);
    try {
      if (readPrivateFile(runFile) !== run) return;
      sweepRunFolder(host, own.logs);
      const { staging, bootstrapClientKey, bootstrapHostKey } = files;
      for (const path of all ? [folder] : [staging, bootstrapClientKey, bootstrapHostKey])
        rmSync(path, { recursive: true, force: true });
      log(`removed ${all ? "the bake's folder" : "the bake's keys and staged files"}`);
    } finally {
      await release();
    }
  } catch (error) {
    log(`could not remove the bake's files: ${messageOf(error)}`);
  }
}
