import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { isOfSettingsError, messageOf, UserError } from "../core/base/errors.ts";
import { exitCodes } from "../core/base/exit-codes.ts";
import { safeText } from "../core/base/wording.ts";
import { wrongPassphrase } from "../core/project/state/passphrase.ts";
import { adviceOn } from "./hetzner-reasons.ts";
import { plainLines, showEvents } from "./progress/events.ts";
import type { Progress } from "./progress/progress.ts";
import { staying } from "./signals.ts";

/** What every operation of the engine is given. */
export interface EngineOptions {
  signal: AbortSignal;
  onEvent: (event: EngineEvent) => void;
  color: "never";
}

/** What the engine says when another one took the lock first; looking beforehand leaves a moment in between. */
const isLocked = (text: string) => /the stack is currently locked by|\[409\] Conflict: Another update/.test(text);

/** Who has the lock, as Pulumi's file backend says it (pkg/backend/diy/lock.go). Names are those of another machine. */
function lockHolder(text: string): string | undefined {
  const [, user, machine, process, since] =
    /created by (\S{1,64})@(\S{1,253}) \(pid (\d+)\) at (\S{10,40})/.exec(text) ?? [];
  if (user === undefined) return undefined;
  return safeText(`an engine of ${user} on ${machine} (process ${process}, since ${since})`);
}

/**
 * Runs one operation of the engine: its events are shown as they come, Ctrl-C lets it end in order, and its failure is one
 * line, without the command line and environment that the library's own error repeats.
 */
export async function runEngine<T>(
  host: string,
  operation: string,
  progress: Progress,
  run: (options: EngineOptions) => Promise<T>,
): Promise<T> {
  const show = showEvents(progress, operation === "preview");
  const reasons: string[] = [];
  const onEvent = (event: EngineEvent) => {
    show(event);
    if (event.diagnosticEvent?.severity === "error") reasons.push(...plainLines(event.diagnosticEvent.message));
  };
  try {
    return await staying(progress, (signal) => run({ signal, onEvent, color: "never" }));
  } catch (error) {
    throw engineFailure(host, operation, messageOf(error), reasons);
  }
}

/**
 * What a failed call of the engine is for the user.
 * @param text the library's own error: the command line, the environment and the end of the output
 * @param reasons the errors that the engine reported, which were printed as they came
 */
export function engineFailure(host: string, operation: string, text: string, reasons: readonly string[]): UserError {
  if (isLocked(text) || reasons.some(isLocked)) {
    const who = lockHolder([text, ...reasons].join("\n"));
    const problem = `${operation} was not started: ${who ?? "another engine"} is working on this stack.`;
    const fix = `Wait for it to end, then run this again. If its machine is gone: eval "$(npx --no-install clawdlets env --host ${host})" && pulumi cancel --yes --stack ${host}`;
    return new UserError({ code: "busy", subject: host, problem, fix }, { exitCode: exitCodes.busy, reasons });
  }
  const passphrase = wrongPassphrase(host, text);
  if (passphrase) {
    const problem = `${operation} failed: ${passphrase.problem}`;
    return new UserError({ ...passphrase, subject: host, problem }, { reasons });
  }
  if (reasons.length === 0) {
    const problem = `${operation} failed: ${text.split("\n").slice(0, 12).join("\n")}`;
    const fix = "Fix it and run the same command again.";
    return new UserError({ code: "engine-failed", subject: host, problem, fix });
  }
  const problem = `${operation} failed.`;
  const fix = adviceOn(reasons) ?? "See the error above. Fix it and run the same command again.";
  return reasons.some(isOfSettingsError)
    ? new UserError({ code: "settings", subject: host, problem, fix }, { reasons, exitCode: exitCodes.settings })
    : new UserError({ code: "engine-failed", subject: host, problem, fix }, { reasons });
}
