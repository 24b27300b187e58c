import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../../core/base/machine/run.ts";
import { bundled } from "../bundle.ts";
import { type EngineRun, runPreview } from "../engine-run.ts";
import type { Plan } from "../plan/plan.ts";
import type { Sandbox } from "../sandbox.ts";
import { pipesVariable } from "./shim.ts";
import { Worker } from "./worker.ts";

/** What all lanes share. */
export interface LaneOptions {
  /** Folder for the pipes, which the policy's and the engine's sandbox may write to. */
  scratch: string;
  environment: Record<string, string>;
  /** Left out: none is to be had here. */
  sandboxes: { program: Sandbox; policy: Sandbox } | undefined;
  /** The bundled workers. */
  workers: { program: string; policy: string };
  /** The pack's own folder, and the executable that the engine starts instead. */
  pack: string;
  shim: string;
  /** Whether to keep no process. */
  alone: boolean;
  /** The project's folder, with the stack files that the policy reads. */
  project: string;
}

/** A program that fails for three stacks in a row will fail for the rest, and each failure means a second run. */
const failuresAllowed = 3;

/**
 * Previews stacks one after the other, in processes that stay: one for the program of each folder, and one for the policy pack.
 * A preview that fails here is run again, with processes for that stack alone.
 */
export class Lane {
  readonly #options: LaneOptions;
  readonly #pipes: string;
  readonly #programs = new Map<string, Worker>();
  #policy: Worker | undefined;
  #failures = 0;
  readonly #stacksAlone = new Set<string>();

  /** Stacks that were previewed with processes of their own. */
  get alone(): ReadonlySet<string> {
    return this.#stacksAlone;
  }

  /** @param name unique among the lanes of one scratch folder */
  constructor(name: string, options: LaneOptions) {
    this.#options = options;
    this.#pipes = join(options.scratch, name);
  }

  async preview(request: EngineRun): Promise<Plan & { failed: boolean }> {
    const program = this.#options.alone ? undefined : programOf(request.folder);
    if (program === undefined || this.#failures >= failuresAllowed) return this.#alone(request);
    const plan = await this.#warm(request, program);
    if (plan && plan.errors.length === 0 && (!plan.failed || plan.violations.length > 0)) {
      this.#failures = 0;
      return plan;
    }
    this.#failures++;
    // One of them may hang, or still be at work on what failed.
    await this.stop();
    return this.#alone(request);
  }

  #alone(request: EngineRun): Promise<Plan & { failed: boolean }> {
    this.#stacksAlone.add(request.stack);
    return runPreview(request);
  }

  /** Ends its processes. A later preview starts new ones. */
  async stop(): Promise<void> {
    await Promise.all([this.#policy, ...this.#programs.values()].map((worker) => worker?.stop()));
  }

  /** @returns undefined if a worker ended before it was done */
  async #warm(request: EngineRun, program: string): Promise<(Plan & { failed: boolean }) | undefined> {
    const workers = [await this.#programWorker(request.folder, program)];
    if (request.pack) workers.push(await this.#policyWorker());
    for (const worker of workers) worker.uses++;
    try {
      const { environment, pack } = request;
      return await runPreview({
        ...request,
        client: `127.0.0.1:${await workers[0]?.port}`,
        ...(pack && { pack: { ...pack, folder: this.#options.shim } }),
        environment: { ...environment, [pipesVariable]: this.#pipes },
        signal: AbortSignal.any([request.signal, ...workers.map(({ gone }) => gone)]),
      });
    } catch (error) {
      if (request.signal.aborted) throw error;
      return undefined; // Whatever the reason, the preview without these processes has the last word.
    }
  }

  async #programWorker(folder: string, program: string): Promise<Worker> {
    const known = this.#programs.get(folder);
    if (known?.isUsable) return known;
    await known?.stop();
    const worker = this.#start("program", [program], folder);
    this.#programs.set(folder, worker);
    return worker;
  }

  async #policyWorker(): Promise<Worker> {
    if (this.#policy?.isUsable) return this.#policy;
    await this.#policy?.stop();
    const pipes = ["asks", "answers"].map((name) => join(this.#pipes, name));
    mkdirSync(this.#pipes, { recursive: true, mode: 0o700 });
    const missing = pipes.filter((pipe) => !existsSync(pipe));
    if (missing.length > 0) await run("mkfifo", ["-m", "600", ...missing]);
    this.#policy = this.#start("policy", [...pipes, this.#options.project], this.#options.pack);
    return this.#policy;
  }

  #start(which: "program" | "policy", args: readonly string[], cwd: string): Worker {
    const { environment, sandboxes, workers } = this.#options;
    const command = [process.execPath, workers[which], ...args];
    return new Worker({ command, cwd, environment, sandbox: sandboxes?.[which] });
  }
}

/** @returns the program's file; undefined if it did not go into one, or is of a kind that only Pulumi's own runner knows */
function programOf(folder: string): string | undefined {
  const file = join(folder, bundled);
  if (!existsSync(file)) return undefined;
  const { type } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const npmrc = join(folder, ".npmrc");
  const isStrict = existsSync(npmrc) && readFileSync(npmrc, "utf8").includes("engine-strict");
  return type === "module" && !isStrict ? file : undefined;
}
