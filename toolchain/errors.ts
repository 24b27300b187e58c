/** Why the engine could not be set up; the message ends with what to do. */
export class ToolchainError extends Error {
  override readonly name = "ToolchainError";
  readonly code: "no-go" | "old-go" | "modules" | "disk" | "build" | "official";

  constructor(code: ToolchainError["code"], message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

/** Told while the engine is set up. `seconds` since the component began. */
export interface ToolchainEvent {
  kind: "start" | "going" | "done" | "note";
  component: string;
  seconds: number;
  text?: string;
}

export type Report = (event: ToolchainEvent) => void;
