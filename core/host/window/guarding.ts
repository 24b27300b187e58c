/**
 * What all guards have in common: a guard's main program reads orders as JSON lines from its parent. End of input without `closed`
 * means that the parent is gone. Logs to standard error.
 */
import { createInterface } from "node:readline";
import { z } from "zod";
import { messageOf } from "../../base/errors.ts";
import { createHetzner, type Hetzner } from "../../base/hetzner/client.ts";
import { endGroup } from "../../base/machine/process-group.ts";
import { printable } from "../../base/wording.ts";
import { Deadline } from "./deadline.ts";

/** What each guard's order has, besides what it closes. */
export const guardedOrder = z.object({
  host: z.string(),
  run: z.string(),
  endpoint: z.string(),
  deadlineSeconds: z.number(),
});
const news = z.object({
  processGroup: z.number().int().gt(1).optional(),
  closed: z.boolean().optional(),
  close: z.boolean().optional(),
  stay: z.boolean().optional(),
});

export const parentIsGone = "the process that opened it is gone";

/** Milliseconds between two attempts to close: short at first, because what was being created may appear a little later. */
export const pauses = { first: 2000, longest: 30_000 };

export function log(text: string): void {
  process.stderr.write(`${new Date().toISOString()} guard: ${printable(text)}\n`);
}

export interface Guarded<Order> {
  order: Order;
  hetzner: Hetzner;
  /** Waits until there is something to do, and says why. Ends the process if the parent closed it on its own. */
  isNeeded: () => Promise<string>;
  /** Ends the installer: without its parent it would keep writing to the disk unattended. */
  endInstaller: () => Promise<void>;
}

/** Reads the order, and tells the parent that it may go on. */
export async function startGuarding<Order extends z.infer<typeof guardedOrder>>(
  schema: z.ZodType<Order>,
): Promise<Guarded<Order>> {
  // A signal to the parent's process group must not end the guard, which exists for exactly this case.
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => log(`ignoring ${name}`));
  // A full disk or a lost terminal must not end it either.
  process.stderr.on("error", () => undefined);
  process.stdout.on("error", () => undefined);
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const order = schema.parse(JSON.parse(String((await lines.next()).value)));
  const { host, endpoint, deadlineSeconds } = order;
  const deadline = new Deadline(deadlineSeconds);
  const token = process.env["HCLOUD_TOKEN"] ?? "";
  const hetzner = createHetzner({ endpoint, token, limits: { attempts: 3, maxWaitSeconds: 5 } });
  const parent = watch(lines);
  process.stdout.write("ready\n");
  log(`watching ${host}, deadline in ${deadlineSeconds} s`);
  return {
    order,
    hetzner,
    async isNeeded() {
      const why = await Promise.race([parent.ends, deadline.isOver().then(() => "the deadline passed")]);
      log(`${why}: closing`);
      return why;
    },
    async endInstaller() {
      const group = parent.installer();
      if (group === undefined) return;
      await endGroup(group, 10).catch((error) => log(`could not end the installer: ${messageOf(error)}`));
    },
  };
}

function watch(lines: AsyncIterator<string>) {
  let processGroup: number | undefined;
  /** Reads the parent's orders until it is gone. Exits at once, whatever we are doing, when the parent reports it closed. */
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
  return { ends: parentEnds(), installer: () => processGroup };
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
