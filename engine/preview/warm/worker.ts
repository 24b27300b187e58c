import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { execa } from "execa";
import type { Sandbox } from "../sandbox.ts";

export interface WorkerRequest {
  /** The program and its arguments. */
  command: readonly string[];
  cwd: string;
  environment: Record<string, string>;
  sandbox: Sandbox | undefined;
}

const mostUses = 25;
const readySeconds = 60;

/** A process that does the same for one stack after the other. It ends with us, however we end: its input closes then. */
export class Worker {
  /** Aborted once the process has ended. */
  readonly gone: AbortSignal;
  /** Where it listens; rejects if it ends before it does, or takes too long. */
  readonly port: Promise<string>;
  /** How many stacks it was used for. */
  uses = 0;
  #isSpent = false;
  readonly #process: Promise<unknown> & { kill(signal: "SIGKILL"): boolean };

  constructor({ command, cwd, environment, sandbox }: WorkerRequest) {
    const [program = "", ...args] = sandbox ? sandbox(command) : command;
    const running = execa(program, args, {
      cwd,
      env: environment,
      extendEnv: false,
      reject: false,
      buffer: false,
      // What a program prints is not shown of other previews either.
      stdio: ["pipe", "ignore", "ignore", "pipe"],
    });
    const gone = new AbortController();
    this.gone = gone.signal;
    this.#process = running;
    this.port = this.#read(running.stdio[3] as Readable);
    // Those who await it are told; nobody may be waiting yet.
    this.port.catch(() => undefined);
    void running.finally(() => gone.abort());
  }

  /** Whether the next stack may use it: everything that was evaluated stays in its memory. */
  get isUsable(): boolean {
    return !this.gone.aborted && !this.#isSpent && this.uses < mostUses;
  }

  async stop(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process;
  }

  #read(stream: Readable): Promise<string> {
    const lines = createInterface(stream);
    return new Promise((resolve, reject) => {
      lines.once("line", (port) => {
        resolve(port);
        lines.on("line", () => {
          this.#isSpent = true;
        });
      });
      lines.once("close", () => reject(new Error("it ended before it was ready")));
      setTimeout(() => reject(new Error(`not ready after ${readySeconds} s`)), readySeconds * 1000).unref();
    });
  }
}
