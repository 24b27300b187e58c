/**
 * Main program of a bake's guard: if the bake is killed, ends its installer, closes TCP/22 of its server, and deletes what it bought.
 * Never stops trying to close the port. Deleting has a limit, since what is left is closed and named by `doctor` and the next bake.
 */
import { rmSync } from "node:fs";
import { z } from "zod";
import { readPrivateFile } from "../../base/machine/private-files.ts";
import { sweepRunFolder } from "../../host/install/installer.ts";
import { cleanUp } from "../../host/window/clean-up.ts";
import { guardedOrder, log, startGuarding } from "../../host/window/guarding.ts";
import { bakeFiles } from "./baking.ts";
import { removeForSure } from "./remove-for-sure.ts";

const schema = guardedOrder.extend({
  sshPort: z.number(),
  own: z.object({ dir: z.string(), lock: z.string(), logs: z.string() }),
});

export type BakeGuardOrder = z.infer<typeof schema>;

const { order, hetzner, isNeeded, endInstaller } = await startGuarding(schema);
const { host, run, sshPort, own } = order;
const { folder, runFile, files } = bakeFiles(own);
await isNeeded();
const [isRemoved] = await Promise.all([
  removeForSure(hetzner, { host, run, sshPort }, log),
  endInstaller().then(() => sweep(false)),
]);
if (isRemoved) await sweep(true);
process.exit(0);

/**
 * Removes the bake's one-time keys and files, unless the next bake of this machine has taken its folder: that one removes them itself.
 * @param all also what tells the next bake which leftovers at Hetzner are its own
 */
async function sweep(all: boolean): Promise<void> {
  const isLeft = () => readPrivateFile(runFile) === run;
  await cleanUp({ host, lock: own.lock }, isLeft, () => {
    sweepRunFolder(host, own.logs);
    const { staging, bootstrapClientKey, bootstrapHostKey } = files;
    for (const path of all ? [folder] : [staging, bootstrapClientKey, bootstrapHostKey])
      rmSync(path, { recursive: true, force: true });
    log(`removed ${all ? "the bake's folder" : "the bake's keys and staged files"}`);
  });
}
