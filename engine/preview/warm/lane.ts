import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { bundled } from "../bundle.ts";
import { type EngineRun, runPreview } from "../engine-run.ts";
import type { Plan } from "../plan/plan.ts";
import type { Crew } from "./crew.ts";
import { pipesVariable } from "./shim.ts";
import type { Worker } from "./worker.ts";

export interface LaneOptions {
  crew: Crew;
  /** Folder of its own for the pipes to the policy's process. */
  pipes: string;
  /** The executable that the engine starts instead of the policy pack. */
  shim: string;
  /** Whether every stack gets processes of its own. */
  alone: boolean;
}

/** Each time, another stack may take the process that a stack waits for down with it. */
const attempts = 5;

type Outcome = Plan & { failed: boolean };

/**
 * Previews stacks one after the other, with processes that stay (see {@link Crew}). A preview that fails with them is run again, with
 * processes for that stack alone, and that result counts.
 */
export class Lane {
  readonly #options: LaneOptions;
  readonly #stacksAlone = new Set<string>();

  constructor(options: LaneOptions) {
    this.#options = options;
  }

  /** Stacks that were previewed with processes of their own. */
  get alone(): ReadonlySet<string> {
    return this.#stacksAlone;
  }

  async preview(request: EngineRun): Promise<Outcome> {
    const { crew, alone } = this.#options;
    const program = alone ? undefined : programOf(request.folder);
    for (let attempt = 0; program !== undefined && crew.isTrusted && attempt < attempts; attempt++) {
      const outcome = await this.#warm(request, program);
      if (outcome === "lost") continue;
      if (outcome === "failed") {
        await crew.failed();
        break;
      }
      crew.succeeded();
      return outcome;
    }
    this.#stacksAlone.add(request.stack);
    return runPreview(request);
  }

  /** @returns `lost` if another stack's run took the process with it, before or while this one ran */
  async #warm(request: EngineRun, program: string): Promise<Outcome | "failed" | "lost"> {
    const { crew, pipes, shim } = this.#options;
    const running = crew.program(request.folder, program);
    running.enter();
    let policy: Worker | undefined;
    let plan: Outcome | undefined;
    try {
      policy = request.pack && (await crew.policy());
      policy?.enter();
      const gone = [running, ...(policy ? [policy] : [])].map((worker) => worker.gone);
      const { environment, pack } = request;
      plan = await runPreview({
        ...request,
        client: `127.0.0.1:${await running.port}`,
        ...(pack && { pack: { ...pack, folder: shim } }),
        environment: { ...environment, [pipesVariable]: pipes },
        signal: AbortSignal.any([request.signal, ...gone]),
      });
    } catch (error) {
      if (request.signal.aborted) throw error;
      // Whatever the reason, the preview without these processes has the last word.
    } finally {
      running.leave();
      policy?.leave();
    }
    if (plan && plan.errors.length === 0 && (!plan.failed || plan.violations.length > 0)) return plan;
    // We have stopped neither yet.
    const wasLost = running.isStopped || policy?.isStopped || running.wasLostTo(request.stack);
    return wasLost ? "lost" : "failed";
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
