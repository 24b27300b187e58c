import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../../core/base/machine/run.ts";
import type { Sandbox } from "../sandbox.ts";
import { Worker } from "./worker.ts";

/** What all crews share. */
export interface CrewOptions {
  environment: Record<string, string>;
  /** Left out: none is to be had here. */
  sandboxes: { program: Sandbox; policy: Sandbox } | undefined;
  /** The bundled workers. */
  workers: { program: string; policy: string };
  /** The pack's own folder. */
  pack: string;
  /** The project's folder, with the stack files that the policy reads. */
  project: string;
}

/** A program that fails for three stacks in a row will fail for the rest, and each failure means a second run. */
const failuresAllowed = 3;

/** A smaller young generation leaves less garbage in memory between two stacks, for about the same processor time. */
const youngMib = "--max-semi-space-size=4";

/** All that a program has evaluated stays in memory: 2 MiB for each stack of ours. Of a pack nothing stays. */
const mostUses = { program: 25, policy: Number.POSITIVE_INFINITY };

/** Two take turns with three engines: while a program runs for one stack, another engine starts. */
const programsPerCrew = 2;

/** The processes that a few lanes share: two that run the program of each folder, and one that serves the policy pack to all lanes at once. */
export class Crew {
  readonly #options: CrewOptions;
  readonly #pipes: readonly string[];
  readonly #programs = new Map<string, Worker[]>();
  #policy: Promise<Worker> | undefined;
  #failures = 0;

  /** @param pipes a folder for each lane, where its engine asks for the policy pack */
  constructor(options: CrewOptions, pipes: readonly string[]) {
    this.#options = options;
    this.#pipes = pipes;
  }

  /** Whether it is worth trying: a program that failed for several stacks in a row is not run here again. */
  get isTrusted(): boolean {
    return this.#failures < failuresAllowed;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  /** Ends the processes, one of which may hang, or still be at work on what failed. */
  async failed(): Promise<void> {
    this.#failures++;
    await this.stop();
  }

  /** The one with the shortest queue. */
  program(folder: string, file: string): Worker {
    const known = this.#programs.get(folder) ?? [];
    const usable = known.filter((worker) => worker.isUsable);
    for (const worker of known) if (!usable.includes(worker)) worker.retire();
    this.#programs.set(folder, usable);
    const [idlest] = usable.toSorted((one, other) => one.users - other.users);
    if (idlest && (idlest.users === 0 || usable.length >= programsPerCrew)) return idlest;
    const worker = this.#start("program", [file], folder);
    usable.push(worker);
    return worker;
  }

  async policy(): Promise<Worker> {
    const known = this.#policy;
    const worker = await known;
    if (worker?.isUsable) return worker;
    // While we waited, another lane may have started one: two would read from the same pipes.
    if (this.#policy !== known) return this.policy();
    this.#policy = this.#startPolicy();
    return this.#policy;
  }

  /** Ends its processes. A later preview starts new ones. */
  async stop(): Promise<void> {
    // One that did not start has nothing to stop; who asked for it was told.
    const policy = await this.#policy?.catch(() => undefined);
    const workers = [...[...this.#programs.values()].flat(), policy];
    await Promise.all(workers.map((worker) => worker?.stop()));
  }

  async #startPolicy(): Promise<Worker> {
    const pipes = this.#pipes.flatMap((folder) => ["asks", "answers"].map((name) => join(folder, name)));
    for (const folder of this.#pipes) mkdirSync(folder, { recursive: true, mode: 0o700 });
    const missing = pipes.filter((pipe) => !existsSync(pipe));
    if (missing.length > 0) await run("mkfifo", ["-m", "600", ...missing]);
    return this.#start("policy", [this.#options.project, ...this.#pipes], this.#options.pack);
  }

  #start(which: "program" | "policy", args: readonly string[], cwd: string): Worker {
    const { environment, sandboxes, workers } = this.#options;
    const command = [process.execPath, youngMib, workers[which], ...args];
    return new Worker({ command, cwd, environment, sandbox: sandboxes?.[which], mostUses: mostUses[which] });
  }
}
