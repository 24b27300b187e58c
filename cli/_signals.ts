import type { Report } from "../core/bootstrap/steps.ts";

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
