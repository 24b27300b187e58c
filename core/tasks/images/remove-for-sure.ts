import { messageOf } from "../../base/errors.ts";
import type { Hetzner } from "../../base/hetzner/client.ts";
import { type Clocks, Deadline, machineClocks } from "../../host/window/deadline.ts";
import { pauses } from "../../host/window/guarding.ts";
import { closeRun, proveClosed } from "./close-run.ts";
import { removeRun } from "./leftovers.ts";

/** Seconds. A snapshot that is being made locks its server for up to half an hour. */
const removeSeconds = 3600;

interface Bake {
  host: string;
  run: string;
  sshPort: number;
}

/**
 * Closes and deletes what a bake bought until nothing is left twice in a row, some seconds apart: what was being created when the bake was
 * killed may only appear after the first time. Gives up deleting after an hour, but never before TCP/22 is proven closed by connecting.
 * @param log gets a line for each attempt
 * @returns false if something was left closed, but could not be deleted
 */
export async function removeForSure(
  hetzner: Hetzner,
  { host, run, sshPort }: Bake,
  log: (text: string) => void,
  clocks: Clocks = machineClocks,
): Promise<boolean> {
  const giveUp = new Deadline(removeSeconds, clocks);
  let pause = pauses.first;
  for (let clean = 0; clean < 2; ) {
    try {
      await closeRun(hetzner, host, run);
      const count = await removeRun(hetzner, host, run);
      log(count > 0 ? `deleted ${count} that the bake had bought` : "nothing left");
      clean = count > 0 ? 0 : clean + 1;
      pause = pauses.first;
      if (clean < 2) await clocks.pause(pause);
    } catch (error) {
      clean = 0;
      log(`not everything is deleted yet: ${messageOf(error)}`);
      const isClosed = await isProvenClosed();
      if (isClosed && giveUp.remainingMs === 0) return false;
      await clocks.pause(pause);
      pause = Math.min(pause * 2, pauses.longest);
    }
  }
  return true;

  async function isProvenClosed(): Promise<boolean> {
    try {
      log(await proveClosed(hetzner, { host, run, sshPort }));
      return true;
    } catch (error) {
      log(`not closed yet: ${messageOf(error)}`);
      return false;
    }
  }
}
