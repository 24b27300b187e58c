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
  /** How many stacks may use it. */
  mostUses: number;
}

const readySeconds = 60;

/**
 * A process that does the same for one stack after the other. It ends with us, however we end: its input closes then. On file descriptor 3
 * it says its port, then `runs STACK` before each run of a program, and `spent` once a run has failed or left something behind that the next one would see.
 */
export class Worker {
  /** Aborted once the process has ended. */
  readonly gone: AbortSignal;
  /** Where it listens; rejects if it ends before it does, or takes too long. */
  readonly port: Promise<string>;
  readonly #mostUses: number;
  #uses = 0;
  #users = 0;
  #isSpent = false;
  #isRetired = false;
  #isStopped = false;
  #latest: string | undefined;
  readonly #process: Promise<unknown> & { kill(signal: "SIGKILL"): boolean };

  constructor({ command, cwd, environment, sandbox, mostUses }: WorkerRequest) {
    this.#mostUses = mostUses;
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

  /** Whether the next stack may use it. */
  get isUsable(): boolean {
    return !this.gone.aborted && !this.#isStopped && !this.#isSpent && this.#uses < this.#mostUses;
  }

  /** How many stacks use it now. */
  get users(): number {
    return this.#users;
  }

  /** Whether we have ended it. */
  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Whether it ended, or must not go on, because of a run for another stack. */
  wasLostTo(stack: string): boolean {
    return (this.gone.aborted || this.#isSpent) && this.#latest !== undefined && this.#latest !== stack;
  }

  /** For one stack; followed by {@link leave}. */
  enter(): void {
    this.#uses++;
    this.#users++;
  }

  leave(): void {
    this.#users--;
    this.#stopIfDone();
  }

  /** No further stack will use it: it ends when those that do are done. */
  retire(): void {
    this.#isRetired = true;
    this.#stopIfDone();
  }

  #stopIfDone(): void {
    if (this.#isRetired && this.#users === 0) void this.stop();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#process.kill("SIGKILL");
    await this.#process;
  }

  #read(stream: Readable): Promise<string> {
    const lines = createInterface(stream);
    return new Promise((resolve, reject) => {
      lines.once("line", (port) => {
        resolve(port);
        lines.on("line", (line) => {
          if (line === "spent") this.#isSpent = true;
          else this.#latest = line.replace(/^runs /, "");
        });
      });
      lines.once("close", () => reject(new Error("it ended before it was ready")));
      setTimeout(() => reject(new Error(`not ready after ${readySeconds} s`)), readySeconds * 1000).unref();
    });
  }
}
