/** What a shell reports for a program that was ended by a signal: 128 plus the signal's number. */
export const stopCodes = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

export type StopSignal = keyof typeof stopCodes;
export type StopCode = (typeof stopCodes)[StopSignal];

/** A request to stop: Ctrl-C, SIGTERM, or a closed terminal. */
export class Stopped extends Error {
  override readonly name = "AbortError";
  readonly exitCode: StopCode;

  constructor(signal: StopSignal, message = `stopped by ${signal === "SIGINT" ? "Ctrl-C" : signal}`) {
    super(message);
    this.exitCode = stopCodes[signal];
  }
}

/** The exit code of a stopped run. @param reason of the AbortSignal */
export function stopCodeOf(reason: unknown): StopCode {
  return reason instanceof Stopped ? reason.exitCode : stopCodes.SIGINT;
}

/** Files that this process has written and not deleted, which a stopped command leaves behind. */
export const written = new Set<string>();
