import type { EngineRun } from "../engine-run.ts";
import { Lane, type LaneOptions } from "./lane.ts";

/** Previews as many stacks at once as there are lanes. */
export class Lanes {
  readonly count: number;
  readonly #all: readonly Lane[];
  readonly #free: Lane[];

  constructor(count: number, options: LaneOptions) {
    this.count = count;
    this.#all = Array.from({ length: count }, (_, index) => new Lane(`lane-${index + 1}`, options));
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
    await Promise.all(this.#all.map((lane) => lane.stop()));
  }
}
