import { type ChildProcess, spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { Exit } from "./exit.ts";

export interface Outcome {
  status: number;
  stdout: string;
}

/** Calls the `ssh` on PATH with the arguments, and in the order, of the real script. */
export class Remote {
  readonly args: string[];
  destination: string;
  readonly #debug: boolean;

  constructor(keyFile: string, options: string[], destination: string, debug: boolean) {
    this.args = [
      "-o",
      "IdentitiesOnly=yes",
      "-i",
      keyFile,
      "-o",
      "UserKnownHostsFile=/dev/null",
      "-o",
      "StrictHostKeyChecking=no",
      ...options,
    ];
    this.destination = destination;
    this.#debug = debug;
  }

  /** After the kexec the port is another one, if one was given at all. */
  changePort(port: string): void {
    const at = this.args.indexOf("-p");
    if (at >= 0) this.args[at + 1] = port;
  }

  /** Runs a command; its output is the caller's. @throws Exit with its status where that is not 0. */
  async run(command: string[], input: string | Readable | null = null): Promise<void> {
    const { status } = await this.try(command, input, false);
    if (status !== 0) throw new Exit(status);
  }

  async capture(command: string[], input: string | null = null): Promise<Outcome> {
    return this.try(command, input, true);
  }

  /** `timeout 10 ssh … -- exit 0`: whether anybody is there. */
  async isThere(): Promise<boolean> {
    const child = spawn("ssh", [...this.args, this.destination, "--", "exit", "0"], {
      stdio: ["inherit", "inherit", "ignore"],
    });
    const timer = setTimeout(() => child.kill(), 10_000);
    const status = await exitOf(child);
    clearTimeout(timer);
    return status === 0;
  }

  async try(command: string[], input: string | Readable | null, capture: boolean): Promise<Outcome> {
    const tty = process.stdin.isTTY ? "-t" : "-T";
    const words = [tty, ...this.args, this.destination, ...command];
    if (this.#debug) process.stdout.write(`SSH COMMAND: ssh ${words.join(" ")}\n`);
    const child = spawn("ssh", words, {
      stdio: [input === null ? "inherit" : "pipe", capture ? "pipe" : "inherit", "inherit"],
    });
    // ssh may go away before it has read everything; its status says so.
    child.stdin?.on("error", () => child.stdin?.destroy());
    if (typeof input === "string") child.stdin?.end(input);
    else if (input !== null && child.stdin !== null) input.pipe(child.stdin);
    let stdout = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    return { status: await exitOf(child), stdout };
  }
}

export function exitOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    child.on("error", (error) => {
      process.stderr.write(`nixos-anywhere: ${error.message}\n`);
      resolve(127);
    });
    child.on("close", (code, signal) => resolve(code ?? (signal === null ? 1 : 130)));
  });
}
