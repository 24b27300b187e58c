import { join } from "node:path";
import type { EngineRun } from "../engine-run.ts";
import { Crew, type CrewOptions } from "./crew.ts";
import { Lane } from "./lane.ts";

export interface LanesOptions extends CrewOptions {
  /** How many engines run at once. */
  count: number;
  /** Folder for the pipes, which the policy's and the engine's sandbox may write to. */
  scratch: string;
  /** The executable that the engine starts instead of the policy pack. */
  shim: string;
  /** Whether to keep no process. */
  alone: boolean;
}

/** The policy's process waits for each of its lanes in one of Node's four threads for files. */
const lanesPerCrew = 3;

/** Previews as many stacks at once as there are lanes. */
export class Lanes {
  readonly count: number;
  readonly #all: readonly Lane[];
  readonly #free: Lane[];
  readonly #crews: readonly Crew[];

  constructor({ count, scratch, shim, alone, ...options }: LanesOptions) {
    this.count = count;
    const pipes = Array.from({ length: count }, (_, index) => join(scratch, `lane-${index + 1}`));
    const shared = Array.from({ length: Math.ceil(count / lanesPerCrew) }, (_, index) =>
      pipes.slice(index * lanesPerCrew, (index + 1) * lanesPerCrew),
    ).map((pipes) => ({ crew: new Crew(options, pipes), pipes }));
    this.#crews = shared.map(({ crew }) => crew);
    this.#all = shared.flatMap(({ crew, pipes }) => pipes.map((own) => new Lane({ crew, pipes: own, shim, alone })));
    this.#free = [...this.#all];
  }

  /** @throws Error if more than {@link count} are asked for at once */
  async preview(request: EngineRun): ReturnType<Lane["preview"]> {
    const lane = this.#free.pop();
    if (!lane) throw new Error(`more than ${this.count} previews at once`);
    try {
      return await lane.preview(request);
    } finally {
      this.#free.push(lane);
    }
  }

  /** Stacks that were previewed with processes of their own. */
  get alone(): string[] {
    return this.#all.flatMap(({ alone }) => [...alone]);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#crews.map((crew) => crew.stop()));
  }
}
