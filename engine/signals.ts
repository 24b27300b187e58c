import type { Report } from "../core/host/steps.ts";

/** Aborted by Ctrl-C, by SIGTERM (the engine stopping us), or by SIGHUP (the terminal going). A second one changes nothing: the window is being closed. */
export function stopSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => controller.abort(new DOMException(`stopped by ${name}`, "AbortError")));
  }
  return controller.signal;
}

/** Milestones on standard error, one line each: the engine shows them as they come, and keeps them in its state. */
export function milestones(): Report {
  return (step, text) => process.stderr.write(`[${step}] ${text}\n`);
}

/**
 * Runs the engine so that Ctrl-C lets it end in order: the terminal tells the engine itself, which stops its commands, and
 * the installation closes its window; we stay until then. A second Ctrl-C, or SIGTERM, is passed on to the engine.
 */
export async function staying<T>(tell: (text: string) => void, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  let asked = 0;
  const onInterrupt = () => {
    asked++;
    tell(asked === 1 ? "stopping: an open window is closed first" : "stopping the engine");
    if (asked > 1) controller.abort();
  };
  const onTerminate = () => controller.abort();
  process.on("SIGINT", onInterrupt);
  process.on("SIGTERM", onTerminate);
  try {
    return await work(controller.signal);
  } finally {
    process.off("SIGINT", onInterrupt);
    process.off("SIGTERM", onTerminate);
  }
}
