/**
 * The guard's program. Reads orders as JSON lines; the end of its input without `closed` means that the parent is gone.
 * Keeps trying to close beyond any deadline: an open port is worse than a process too many. Its log is its standard error.
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

/** Milliseconds between two tries to close: short at first, as for a window whose creation is still on its way. */
const pauses = { first: 2000, longest: 30_000 };

// A signal to the parent's whole process group must not end the one process that is there for this case.
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(name, () => log(`${name} is not for the guard`));

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

/** Whether the installation was killed, and no other one of this host was begun since. */
function isKilled(): boolean {
  return install !== undefined && why === parentIsGone && readJournal(install.journal)?.startedAt === install.startedAt;
}

/** Removes the keys that a killed installation had staged, once its installer needs them no more. */
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
  const text = "the installation was killed; its guard closed TCP/22 and removed what was staged";
  await endKilled(install.journal, text, install.startedAt).catch((error) => log(messageOf(error)));
}

/** Hears what the parent has to say. Once it saw the window closed there is nothing left to do, whatever we are at. */
async function parentEnds(): Promise<string> {
  let stay = false;
  for await (const line of { [Symbol.asyncIterator]: () => lines }) {
    const heard = newsIn(line);
    if (heard.closed) process.exit(0);
    if (heard.close) {
      processGroup = undefined; // The parent lives and has ended its installer.
      return "the parent could not close it";
    }
    stay ||= heard.stay ?? false;
    processGroup = heard.processGroup ?? processGroup;
  }
  if (stay) await new Promise(() => undefined); // The deadline alone counts.
  return parentIsGone;
}

/** Half a line is what a killed parent leaves: that it is gone says the end of our input. */
function newsIn(line: string): z.infer<typeof news> {
  try {
    return news.parse(JSON.parse(line));
  } catch (error) {
    log(`not understood: ${messageOf(error)}`);
    return {};
  }
}

/** An installer without its parent would go on writing to a disk that nobody watches. */
async function endInstaller(): Promise<void> {
  if (processGroup === undefined) return;
  await endGroup(processGroup, 10).catch((error) => log(`could not end the installer: ${messageOf(error)}`));
}

/**
 * Closes, and tries to connect, until nothing was left open twice, some seconds apart: a window whose creation was on its way
 * when the parent died appears after the first time.
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
