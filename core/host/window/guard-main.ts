/**
 * The guard's main program. Reads orders as JSON lines; end of input without `closed` means that the parent is gone.
 * Never stops trying to close the window: an open port is worse than a leftover process. Logs to standard error.
 */
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { messageOf, UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { createHetzner } from "../../base/hetzner/client.ts";
import { endGroup } from "../../base/machine/process-group.ts";
import { printable } from "../../base/wording.ts";
import { sweepStaging } from "../delivery/extra-files.ts";
import { endKilled, readJournal } from "../journal.ts";
import { closeAndProve, closedInWords } from "./close-and-prove.ts";
import { Deadline } from "./deadline.ts";
import { noteWindow } from "./window-journal.ts";

const order = z.object({
  host: z.string(),
  run: z.string(),
  endpoint: z.string(),
  serverId: z.number(),
  sshPort: z.number(),
  deadlineSeconds: z.number(),
  journal: z.string(),
  install: z.object({ journal: z.string(), startedAt: z.string(), leftovers: z.array(z.string()) }).optional(),
});
const news = z.object({
  processGroup: z.number().int().gt(1).optional(),
  closed: z.boolean().optional(),
  close: z.boolean().optional(),
  stay: z.boolean().optional(),
});

const parentIsGone = "the process that opened it is gone";

/** Milliseconds between two attempts to close: short at first, because a window may still be in creation. */
const pauses = { first: 2000, longest: 30_000 };

// A signal to the parent's process group must not end the guard, which exists for exactly this case.
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => log(`ignoring ${name}`));

// A full disk or a lost terminal must not end it either.
process.stderr.on("error", () => undefined);

function log(text: string): void {
  process.stderr.write(`${new Date().toISOString()} guard: ${printable(text)}\n`);
}

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const { deadlineSeconds, journal, endpoint, install, ...closing } = order.parse(
  JSON.parse(String((await lines.next()).value)),
);
const deadline = new Deadline(deadlineSeconds);
const hetzner = createHetzner({
  endpoint,
  token: process.env["HCLOUD_TOKEN"] ?? "",
  limits: { attempts: 3, maxWaitSeconds: 5 },
});
let processGroup: number | undefined;
process.stdout.on("error", () => undefined);
process.stdout.write("ready\n");
log(`watching ${closing.host}, deadline in ${deadlineSeconds} s`);

const why = await Promise.race([parentEnds(), deadline.isOver().then(() => "the deadline passed")]);
log(`${why}: closing`);
await Promise.all([endInstaller().then(sweep), closeForSure()]);
await markKilled();
process.exit(0);

/** True if the installation was killed and no other one of this host has started since. */
function isKilled(): boolean {
  return install !== undefined && why === parentIsGone && readJournal(install.journal)?.startedAt === install.startedAt;
}

/** Removes the keys that a killed installation staged, after its installer has ended. */
function sweep(): void {
  for (const folder of isKilled() ? (install?.leftovers ?? []) : []) {
    try {
      sweepStaging(folder);
    } catch (error) {
      log(`could not remove ${folder}: ${messageOf(error)}`);
    }
  }
}

async function markKilled(): Promise<void> {
  if (!install || !isKilled()) return;
  const text = "the installation was killed; its guard closed TCP/22 and removed the staged keys";
  await endKilled(install.journal, text, install.startedAt).catch((error) => log(messageOf(error)));
}

/** Reads the parent's orders until it is gone. Exits at once, whatever we are doing, when the parent reports the window closed. */
async function parentEnds(): Promise<string> {
  let stay = false;
  for await (const line of { [Symbol.asyncIterator]: () => lines }) {
    const heard = newsIn(line);
    if (heard.closed) process.exit(0);
    if (heard.close) {
      processGroup = undefined; // The parent is alive and has ended its installer.
      return "the parent could not close it";
    }
    stay ||= heard.stay ?? false;
    processGroup = heard.processGroup ?? processGroup;
  }
  if (stay) await new Promise(() => undefined); // Only the deadline counts.
  return parentIsGone;
}

/** Ignores an incomplete line, which a killed parent leaves; end of input tells us that it is gone. */
function newsIn(line: string): z.infer<typeof news> {
  try {
    return news.parse(JSON.parse(line));
  } catch (error) {
    log(`invalid order: ${messageOf(error)}`);
    return {};
  }
}

/** Ends the installer: without its parent it would keep writing to the disk unattended. */
async function endInstaller(): Promise<void> {
  if (processGroup === undefined) return;
  await endGroup(processGroup, 10).catch((error) => log(`could not end the installer: ${messageOf(error)}`));
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
