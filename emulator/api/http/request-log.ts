import { closeSync, openSync, writeSync } from "node:fs";

export interface LoggedRequest {
  time: string;
  method: string;
  /** With its query, without the base path. */
  path: string;
  template: string;
  status: number;
  ms: number;
  body: unknown;
  /** Whether a token was sent and was the right one. Never the token itself. */
  token: "ok" | "bad" | "none";
}

/** `requests.jsonl`: one line per request, written before the response, so that a client with the response finds its line. */
export class RequestLog {
  #file: number | undefined;

  constructor(file: string) {
    this.#file = openSync(file, "a", 0o600);
  }

  write(request: LoggedRequest): void {
    // One that is still at work when the emulator closes is not logged, as it is not answered either.
    if (this.#file !== undefined) writeSync(this.#file, `${JSON.stringify(request)}\n`);
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }
}
