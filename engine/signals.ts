import { withLimit } from "../core/base/limits.ts";
import { Stopped, type StopSignal } from "../core/base/stopped.ts";
import { printable } from "../core/base/wording.ts";
import type { Report } from "../core/host/steps.ts";

const stopSignals: readonly StopSignal[] = ["SIGINT", "SIGTERM", "SIGHUP"];

let stopped: Stopped | undefined;
let stopForLostEngine: (() => void) | undefined;

/** The first stop request of this process. */
export const wasStopped = (): Stopped | undefined => stopped;

/** Notes a stop that need not have come as a signal: a prompt takes Ctrl-C for itself. */
export function noteStop(signal: StopSignal): Stopped {
  stopped ??= new Stopped(signal);
  return stopped;
}

const handlers: Record<StopSignal, number> = { SIGINT: 0, SIGTERM: 0, SIGHUP: 0 };

/** Calls `onStop` at each stop request until the returned function is called. Meanwhile {@link endWhenUnhandled} leaves the end to it. */
export function onStopRequest(onStop: (name: StopSignal) => void, names = stopSignals): () => void {
  for (const name of names) {
    handlers[name]++;
    process.on(name, onStop);
  }
  return () => {
    for (const name of names) {
      handlers[name]--;
      process.off(name, onStop);
    }
  };
}

/** The same for the first one only: at the second the process ends at once, should what the first has begun hang. */
export function onFirstStopRequest(onStop: () => void): void {
  const stopHandling = onStopRequest(() => {
    stopHandling();
    onStop();
  });
}

/**
 * Calls `end` at a stop request that nothing else handles. Without it the process would be gone without a word, with its lock files left
 * behind and the terminal without echo.
 * @param end has to end the process
 */
export function endWhenUnhandled(end: (stop: Stopped) => void): void {
  for (const name of stopSignals) {
    process.on(name, () => {
      if (handlers[name] === 0) end(noteStop(name));
    });
  }
}

/**
 * Aborted by Ctrl-C, by SIGTERM (the engine stopping us), or by SIGHUP (the terminal going). A second one changes nothing: the window is being closed.
 * @param forEngine the engine runs this command and reads its standard error: it also stops, in order, when that reader is gone
 */
export function stopSignal({ forEngine = false } = {}): AbortSignal {
  const controller = new AbortController();
  onStopRequest((name) => controller.abort(noteStop(name)));
  if (forEngine) stopForLostEngine = () => controller.abort(noteStop("SIGHUP"));
  return controller.signal;
}

/**
 * Stops in order when the process that started this one is gone: Pulumi's command plugin ends without a word to its commands when
 * it is killed, and one that writes nothing would never notice.
 */
export function stopWhenOrphaned(): void {
  const parent = process.ppid;
  const watching = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watching);
    stopForLostEngine?.();
  }, 500);
  watching.unref();
}

/** To be called when nobody reads standard error any more. */
export function stopUnheard(): void {
  stopForLostEngine?.();
}

/** Milestones on standard error, one line each: the engine shows them as they come, and keeps them in its state. */
export function milestones(): Report {
  return (step, text, limit) => process.stderr.write(`${printable(withLimit(`[${step}] ${text}`, limit))}\n`);
}

/**
 * Runs the engine so that Ctrl-C lets it end in order: the terminal tells the engine itself, which stops its commands, and
 * the installation closes its window; we stay until then. A second Ctrl-C, SIGTERM and SIGHUP are passed on to the engine.
 */
export async function staying<T>(tell: (text: string) => void, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  let asked = 0;
  const stopHandling = onStopRequest((name) => {
    noteStop(name);
    if (name !== "SIGINT") return controller.abort();
    asked++;
    tell(asked === 1 ? "stopping: closing the open window first" : "stopping the engine");
    if (asked > 1) controller.abort();
  });
  try {
    return await work(controller.signal);
  } finally {
    stopHandling();
  }
}
