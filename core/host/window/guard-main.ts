/**
 * The guard's program. Reads orders as JSON lines; the end of its input without `closed` means that the parent is gone.
 * Keeps trying to close beyond any deadline: an open port is worse than a process too many. Its log is its standard error.
 */
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { messageOf } from "../../base/errors.ts";
import { createHetzner } from "../../base/hetzner/client.ts";
import { endGroup } from "../../base/machine/process-group.ts";
import { closeWindowsOf } from "./window.ts";
import { noteWindow } from "./window-journal.ts";

const order = z.object({
  host: z.string(),
  run: z.string(),
  endpoint: z.string(),
  deadlineSeconds: z.number(),
  journal: z.string(),
  outlivesParent: z.boolean().default(false),
});
const news = z.object({
  processGroup: z.number().int().gt(1).optional(),
  closed: z.boolean().optional(),
  close: z.boolean().optional(),
});

// A signal to the parent's whole process group must not end the one process that is there for this case.
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(name, () => log(`${name} is not for the guard`));

// A full disk or a lost terminal must not end it either.
process.stderr.on("error", () => undefined);

function log(text: string): void {
  process.stderr.write(`${new Date().toISOString()} guard: ${text}\n`);
}

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const { host, run, endpoint, deadlineSeconds, journal, outlivesParent } = order.parse(
  JSON.parse(String((await lines.next()).value)),
);
const hetzner = createHetzner({
  endpoint,
  token: process.env["HCLOUD_TOKEN"] ?? "",
  limits: { attempts: 3, maxWaitSeconds: 5 },
});
let processGroup: number | undefined;
process.stdout.on("error", () => undefined);
process.stdout.write("ready\n");
log(`watching ${host}, deadline in ${deadlineSeconds} s`);

const outcome = await Promise.race([
  parentEnds(),
  sleep(deadlineSeconds * 1000, "the deadline passed" as const, { ref: outlivesParent }),
]);
if (outcome !== undefined) {
  log(`${outcome}: closing`);
  await Promise.all([endInstaller(), closeForSure()]);
}
process.exit(0);

async function parentEnds(): Promise<string | undefined> {
  for await (const line of { [Symbol.asyncIterator]: () => lines }) {
    const told = news.parse(JSON.parse(line));
    if (told.closed) return undefined;
    if (told.close) return "the parent could not close it";
    processGroup = told.processGroup ?? processGroup;
  }
  if (outlivesParent) await new Promise(() => undefined); // The deadline alone counts.
  return "the installation's process is gone";
}

/** An installer without its parent would go on writing to a disk that nobody watches. */
async function endInstaller(): Promise<void> {
  if (processGroup === undefined) return;
  await endGroup(processGroup, 10).catch((error) => log(`could not end the installer: ${messageOf(error)}`));
}

async function closeForSure(): Promise<void> {
  // Looks twice, some seconds apart: a window whose creation was on its way when the parent died appears after the first look.
  for (let clean = 0; clean < 2; ) {
    try {
      const found = await closeWindowsOf(hetzner, host, run);
      log(found > 0 ? `closed ${found}` : "nothing left open");
      if (found > 0) noteWindow(journal, { event: "closed", run, by: "guard", why: outcome ?? "" });
      clean = found > 0 ? 0 : clean + 1;
    } catch (error) {
      clean = 0;
      log(`not closed yet, trying again: ${messageOf(error)}`);
    }
    if (clean < 2) await sleep(2000);
  }
}
