import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { isOfSettingsError, messageOf, UserError } from "../core/base/errors.ts";
import { exitCodes } from "../core/base/exit-codes.ts";
import { wrongPassphrase } from "../core/project/state/passphrase.ts";
import { type Progress, plainLines, showEvents } from "./progress.ts";
import { staying } from "./signals.ts";

/** What every operation of the engine is given. */
export interface EngineOptions {
  signal: AbortSignal;
  onEvent: (event: EngineEvent) => void;
  color: "never";
}

/** What the engine says when another one took the lock first; looking beforehand leaves a moment in between. */
const isLocked = (text: string) => /the stack is currently locked by|\[409\] Conflict: Another update/.test(text);

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
    const text = messageOf(error);
    if (isLocked(text) || reasons.some(isLocked)) {
      throw new UserError(
        `${host}: ${operation} was not begun: another engine is at work on this stack. Wait for it to end, then run this again.`,
        { exitCode: exitCodes.busy, reasons },
      );
    }
    const said =
      wrongPassphrase(host, text) ??
      (reasons.length > 0 ? "The reason stands above." : text.split("\n").slice(0, 12).join("\n"));
    throw new UserError(
      `${host}: ${operation} failed. ${said} Nothing else was changed. Fix it and run the same command again.`,
      { reasons, ...(reasons.some(isOfSettingsError) && { exitCode: exitCodes.settings }) },
    );
  }
}
