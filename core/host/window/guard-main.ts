/**
 * Main program of a window's guard.
 * Never stops trying to close the window: an open port is worse than a leftover process.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { messageOf, UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { sweepStaging } from "../delivery/extra-files.ts";
import { endKilled, readJournal } from "../journal.ts";
import { cleanUp } from "./clean-up.ts";
import { closeAndProve, closedInWords } from "./close-and-prove.ts";
import { guardedOrder, log, parentIsGone, pauses, startGuarding } from "./guarding.ts";
import { noteWindow } from "./window-journal.ts";

const schema = guardedOrder.extend({
  serverId: z.number(),
  sshPort: z.number(),
  journal: z.string(),
  install: z
    .object({ journal: z.string(), startedAt: z.string(), leftovers: z.array(z.string()), lock: z.string() })
    .optional(),
});

const { order, hetzner, isNeeded, endInstaller } = await startGuarding(schema);
const { deadlineSeconds: _, endpoint: __, journal, install, ...closing } = order;
const why = await isNeeded();
await Promise.all([endInstaller().then(() => sweep()), closeForSure()]);
await markKilled();
log("done");
process.exit(0);

/** True if the installation was killed and no other one of this host has started since. */
function isKilled(): boolean {
  return install !== undefined && why === parentIsGone && readJournal(install.journal)?.startedAt === install.startedAt;
}

/** Removes the keys that a killed installation staged, after its installer has ended. */
async function sweep(): Promise<void> {
  if (install === undefined) return;
  const { lock, leftovers } = install;
  await cleanUp({ host: order.host, lock }, isKilled, () => leftovers.forEach(sweepFolder));
}

function sweepFolder(folder: string): void {
  try {
    sweepStaging(folder);
  } catch (error) {
    log(`could not remove ${folder}: ${messageOf(error)}`);
  }
}

async function markKilled(): Promise<void> {
  if (install === undefined) return;
  const { lock, journal: path, startedAt } = install;
  const text = "the installation was killed; its guard closed TCP/22 and removed the staged keys";
  await cleanUp({ host: order.host, lock }, isKilled, () => endKilled(path, text, startedAt));
}

/**
 * Closes and tries to connect until nothing is open twice in a row, some seconds apart: a window that was being created when
 * the parent died may only appear after the first time.
 */
async function closeForSure(): Promise<void> {
  let pause = pauses.first;
  let wasOpen = false;
  for (let clean = 0; clean < 2; ) {
    try {
      const closed = await closeAndProve(hetzner, closing);
      const { windows } = closed;
      log(`${windows > 0 ? `closed ${windows}` : "nothing left open"}: ${closedInWords(closed)}`);
      if (windows > 0 || wasOpen) noteWindow(journal, { event: "closed", run: closing.run, by: "guard", why });
      clean = windows > 0 ? 0 : clean + 1;
      wasOpen = false;
      pause = pauses.first;
    } catch (error) {
      clean = 0;
      wasOpen ||= error instanceof UserError && error.exitCode === exitCodes.open;
      log(`not closed yet, trying again in ${pause / 1000} s: ${messageOf(error)}`);
      await sleep(pause);
      pause = Math.min(pause * 2, pauses.longest);
      continue;
    }
    if (clean < 2) await sleep(pauses.first);
  }
}
