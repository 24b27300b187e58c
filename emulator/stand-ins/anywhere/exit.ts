/** Ends the run with a status, after `message` on standard error if there is one. */
export class Exit extends Error {
  readonly status: number;
  /** Whether the message is for standard output, as the usage is. */
  readonly onStdout: boolean;

  constructor(status: number, message = "", onStdout = false) {
    super(message);
    this.status = status;
    this.onStdout = onStdout;
  }
}

/** In the real script's words for what it will not do. */
export function aborted(message: string): Exit {
  return new Exit(1, `aborted: ${message}`);
}
