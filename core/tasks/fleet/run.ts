import pMap from "p-map";
import { type ExitCode, exitCodes } from "../../base/exit-codes.ts";
import { problemLine } from "../../base/problem.ts";
import { type StopCode, Stopped, stopCodeOf } from "../../base/stopped.ts";
import { asUserError } from "../../base/system-errors.ts";
import { withoutHost } from "../../base/wording.ts";
import type { Admission } from "./admission.ts";

/** The result of a host's task that ended without throwing. */
export interface Done<R> {
  ok: boolean;
  exitCode: ExitCode;
  /** One line for the summary, e.g. `4 to create`. */
  summary: string;
  /** Lines below it, each a sentence about a problem. */
  details?: readonly string[];
  /** For `--json`. */
  result: R;
}

/** The work on one host. `tell` shows progress immediately; its last line is the current phase. */
export type FleetTask<R> = (host: string, tell: (text: string) => void) => Promise<Done<R>>;

export type HostState = "waiting" | "running" | "ok" | "failed" | "stopped" | "not started";

export interface Outcome<R> {
  host: string;
  state: Exclude<HostState, "waiting" | "running">;
  exitCode: ExitCode | StopCode;
  seconds: number;
  summary: string;
  details: readonly string[];
  result?: R;
}

/** Callbacks for progress, called in order. */
export interface FleetWatch<R> {
  started: (host: string) => void;
  told: (host: string, text: string) => void;
  ended: (outcome: Outcome<R>) => Promise<void> | void;
}

export interface FleetRun<R> {
  hosts: readonly string[];
  task: FleetTask<R>;
  /** Hosts at a time, 1 or more. */
  parallel: number;
  /** Start further hosts after one has failed. Running hosts always finish normally. */
  keepGoing: boolean;
  /** Runs first and alone; if it fails, no other host is started. */
  canary?: string | undefined;
  /** If aborted, no further host is started. Running hosts have to listen to it themselves. */
  signal: AbortSignal;
  admission?: Admission | undefined;
  watch: FleetWatch<R>;
}

/** Runs one task on many hosts. Failures of hosts are returned, not thrown. @returns one outcome per host, in the given order */
export async function runFleet<R>(run: FleetRun<R>): Promise<Outcome<R>[]> {
  const { hosts, canary, parallel } = run;
  const outcomes = new Map<string, Outcome<R>>();
  /** Why no further host is started. */
  let stopped: string | undefined;
  const one = async (host: string): Promise<void> => {
    if (run.signal.aborted) stopped ??= "the run was stopped";
    const outcome = stopped === undefined ? await runHost(run, host) : notStarted<R>(host, stopped);
    outcomes.set(host, outcome);
    if (outcome.state === "failed") {
      if (host === canary) stopped ??= `the canary ${host} failed`;
      else if (!run.keepGoing) stopped ??= `${host} failed before (--fail-fast)`;
    }
    await run.watch.ended(outcome);
  };
  if (canary !== undefined) await one(canary);
  await pMap(
    hosts.filter((host) => host !== canary),
    one,
    { concurrency: parallel, stopOnError: false },
  );
  return hosts.flatMap((host) => outcomes.get(host) ?? []);
}

const notStarted = <R>(host: string, why: string): Outcome<R> => ({
  host,
  state: "not started",
  exitCode: exitCodes.ok,
  seconds: 0,
  summary: why,
  details: [],
});

async function runHost<R>({ task, signal, admission, watch }: FleetRun<R>, host: string): Promise<Outcome<R>> {
  const tell = (text: string) => watch.told(host, text);
  let startedAt: number | undefined;
  let release: (() => void) | undefined;
  const seconds = () => (startedAt === undefined ? 0 : (Date.now() - startedAt) / 1000);
  try {
    release = await admission?.admit(host, tell, signal);
    signal.throwIfAborted();
    startedAt = Date.now();
    watch.started(host);
    const { ok, exitCode, summary, details = [], result } = await task(host, tell);
    return { host, state: ok ? "ok" : "failed", exitCode, seconds: seconds(), summary, details, result };
  } catch (error) {
    if (startedAt === undefined && signal.aborted) return notStarted(host, "the run was stopped");
    const outcome = { host, seconds: seconds(), ...wordsOf(host, error) };
    return signal.aborted
      ? { ...outcome, state: "stopped", exitCode: stopCodeOf(signal.reason) }
      : { ...outcome, state: "failed" };
  } finally {
    release?.();
  }
}

/** A bug in one host's task must not interrupt the others. */
function wordsOf(host: string, error: unknown): { exitCode: ExitCode; summary: string; details: readonly string[] } {
  const known = asUserError(error);
  if (error instanceof Stopped) return { exitCode: exitCodes.failed, summary: error.message, details: [] };
  if (!known) {
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { exitCode: exitCodes.failed, summary: "a bug, please report it", details: stack.split("\n") };
  }
  const { exitCode, headline, reasons, details } = known;
  const line = (problem: typeof headline) => withoutHost(host, problemLine(problem));
  // A fix such as "see the error above" is for one host's terminal, where the reasons were printed before.
  if (reasons.length > 0) {
    return { exitCode, summary: line({ subject: headline.subject, problem: headline.problem }), details: reasons };
  }
  return { exitCode, summary: line(headline), details };
}
