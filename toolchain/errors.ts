/**
 * Why the engine could not be set up; the message says what to install or do.
 * `modules`: Go cannot fetch sources. `official`: a download is not what was published. `waiting`: another set-up.
 */
export class ToolchainError extends Error {
  override readonly name = "ToolchainError";
  readonly code: "no-go" | "old-go" | "modules" | "disk" | "build" | "official" | "waiting";

  constructor(code: ToolchainError["code"], message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

/** Progress of the engine's set-up. `seconds` since the component began. */
export interface ToolchainEvent {
  kind: "start" | "going" | "done" | "note";
  component: string;
  seconds: number;
  text?: string;
}

export type Report = (event: ToolchainEvent) => void;
