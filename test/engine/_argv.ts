import { readdirSync, readFileSync } from "node:fs";

/** Reads the arguments of every process on the machine, again and again, and remembers where a canary stood. */
export class ArgumentWatch {
  readonly #canaries: readonly string[];
  readonly #timer: NodeJS.Timeout;
  /** Argument lists in which a canary stood. */
  readonly found = new Set<string>();
  /** How many argument lists were read, so that a watch that saw nothing cannot pass for one that found nothing. */
  looks = 0;

  constructor(canaries: readonly string[]) {
    this.#canaries = canaries;
    this.#timer = setInterval(() => this.#look(), 20);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      const text = argumentsOf(pid);
      this.looks++;
      if (this.#canaries.some((canary) => text.includes(canary))) this.found.add(text.replaceAll("\0", " "));
    }
  }
}

function argumentsOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return ""; // It ended between the listing and the reading.
  }
}
