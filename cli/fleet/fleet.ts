import { budgetOf } from "../../core/base/hetzner/budget.ts";
import { createHetzner } from "../../core/base/hetzner/client.ts";
import { stopCodeOf } from "../../core/base/stopped.ts";
import { asUserError } from "../../core/base/system-errors.ts";
import type { Layout } from "../../core/project/layout.ts";
import { readAccess } from "../../core/project/settings/access.ts";
import { admission } from "../../core/tasks/fleet/admission.ts";
import { FleetRecord } from "../../core/tasks/fleet/journal.ts";
import { type FleetTask, type Outcome, runFleet } from "../../core/tasks/fleet/run.ts";
import { stopSignal } from "../../engine/signals.ts";
import { isLive } from "../screen/terminal.ts";
import { worstOf } from "../shared/hosts.ts";
import { printJson, resultLines } from "../shared/output.ts";
import type { Chosen } from "./choose.ts";
import { defaultParallel, type FleetOptions } from "./options.ts";
import { plainView } from "./plain.ts";
import { summaryLines } from "./summary.ts";
import { tableView } from "./table.ts";

export interface FleetCommand<R> {
  layout: Layout;
  /** As it is typed: `up`. */
  command: string;
  chosen: Chosen;
  options: FleetOptions & { json?: boolean };
  afterFailure: "fail-fast" | "keep-going";
  /** What is asked beyond the hosts, kept for `--resume`. */
  asked?: Record<string, string>;
  /** Once, before the first host, e.g. setting up the engine. */
  prepare?: (tell: (text: string) => void) => Promise<unknown>;
  /** What stands above the summary for a host that ended well. */
  linesOf?: (result: R) => readonly string[];
  /** The most requests a host may need of Hetzner. */
  requestsOf: (host: string) => number;
  task: (signal: AbortSignal) => FleetTask<R>;
}

/**
 * Runs a command on many hosts in this one process: a table on a terminal, lines elsewhere, a summary, JSON, exit code.
 * The exit code is that of the worst failure; 130 when it was stopped by Ctrl-C.
 */
export async function runFleetCommand<R>(command: FleetCommand<R>): Promise<void> {
  const { layout, chosen, options, afterFailure, asked = {}, requestsOf } = command;
  const { hosts, canary, former } = chosen;
  const say = resultLines(options.json);
  if (hosts.length === 0) {
    say(`${command.command}: nothing to resume; every host of the last run succeeded`);
    if (options.json) printJson({ ok: true, hosts: [], seconds: 0 });
    return;
  }
  const startedAt = Date.now();
  const secondsSoFar = () => (Date.now() - startedAt) / 1000;
  const write = (text: string) => void process.stderr.write(text);
  const view = isLive(process.stderr, process.env, options.plain)
    ? tableView(hosts, process.stderr)
    : plainView(hosts, write, secondsSoFar);
  const signal = stopSignal();
  // Each running engine adds its own listener for Ctrl-C.
  process.setMaxListeners(0);
  signal.addEventListener("abort", () => view.note("stopping: no more hosts are started; running ones finish cleanly"));
  const states = former?.hosts ?? Object.fromEntries(hosts.map((host) => [host, "waiting" as const]));
  const record = new FleetRecord(layout, {
    command: command.command,
    startedAt: new Date(startedAt).toISOString(),
    asked,
    hosts: states,
  });
  // What changes hosts does not begin unrecorded; once begun, and in what only reads, the record is all that is lost.
  const noted = async (writing: Promise<void>, isBegun = afterFailure === "keep-going") =>
    writing.catch((error: unknown) => {
      const known = asUserError(error);
      if (!known || !isBegun) throw error;
      view.note(`--resume cannot continue this run. ${known.message}`);
    });
  let outcomes: Outcome<R>[];
  try {
    await noted(record.begin());
    await command.prepare?.(view.note);
    outcomes = await runFleet({
      hosts,
      canary,
      task: command.task(signal),
      parallel: options.parallel ?? defaultParallel,
      keepGoing: options.keepGoing ?? (options.failFast ? false : afterFailure === "keep-going"),
      signal,
      admission: admissionOf(layout, hosts, requestsOf),
      watch: {
        started: view.started,
        told: view.told,
        async ended(outcome) {
          view.ended(outcome);
          await noted(record.ended(outcome.host, outcome.state), true);
        },
      },
    });
  } finally {
    view.close();
  }
  const before = Object.keys(states).length - hosts.length;
  for (const { host, result } of outcomes) {
    if (result !== undefined) for (const line of command.linesOf?.(result) ?? []) say(`${host}: ${line}`);
  }
  for (const line of summaryLines(command.command, outcomes, secondsSoFar(), before)) say(line);
  if (options.json) printJson(jsonOf(outcomes, secondsSoFar()));
  process.exitCode = signal.aborted ? stopCodeOf(signal.reason) : exitCodeOf(outcomes);
}

/** Hosts that were not started have no exit code of their own. */
const exitCodeOf = (outcomes: readonly Outcome<unknown>[]) => worstOf(outcomes.map(({ exitCode }) => exitCode));

function jsonOf<R>(outcomes: readonly Outcome<R>[], seconds: number) {
  const hosts = outcomes.map(({ result, details, summary, ...outcome }) => ({
    ...result,
    ...outcome,
    ok: outcome.state === "ok",
    summary,
    ...(outcome.state !== "ok" && { details }),
  }));
  return { ok: hosts.every(({ ok }) => ok), hosts, seconds };
}

/** All hosts of a project share its token, and so its limit. Without a token each host says so itself. */
function admissionOf(layout: Layout, hosts: readonly string[], requestsOf: (host: string) => number) {
  let access: ReturnType<typeof readAccess>;
  try {
    access = readAccess(layout, hosts[0] ?? "", process.env);
  } catch {
    return undefined; // Without a token each host says so itself, with where it was looked for.
  }
  const { endpoint, token } = access;
  return admission(requestsOf, async (signal) => {
    const limits = { attempts: 2, maxWaitSeconds: 5 };
    const hetzner = createHetzner({ endpoint, token, limits, signal, tell: () => undefined });
    try {
      await hetzner.GET("/locations", { params: { query: { per_page: 1 } } });
    } catch {
      signal.throwIfAborted();
      return undefined; // Hetzner does not answer: the host itself will say so.
    }
    const { limit, remaining } = budgetOf(endpoint, token);
    return limit === undefined || remaining === undefined ? undefined : { limit, remaining: Math.floor(remaining) };
  });
}
