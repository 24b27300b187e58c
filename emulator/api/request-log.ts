import { createWriteStream, type WriteStream } from "node:fs";

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

/** `requests.jsonl`: one line a request. */
export class RequestLog {
  readonly #stream: WriteStream;

  constructor(file: string) {
    this.#stream = createWriteStream(file, { flags: "a", mode: 0o600 });
  }

  write(request: LoggedRequest): void {
    this.#stream.write(`${JSON.stringify(request)}\n`);
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#stream.end(() => resolve());
    });
  }
}
