import { readFile } from "node:fs/promises";
import { join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import type { StoredState } from "./types.ts";

const SAVE_DELAY_MS = 25;

/** Keeps `state.json` up to date: many changes at once make one write, and a reader never sees half of one. */
export class Store {
  readonly #file: string;
  readonly #snapshot: () => StoredState;
  #timer: NodeJS.Timeout | null = null;
  #writing: Promise<void> = Promise.resolve();

  constructor(dir: string, snapshot: () => StoredState) {
    this.#file = stateFile(dir);
    this.#snapshot = snapshot;
  }

  changed(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#writing = this.#writing.then(() => this.#write());
    }, SAVE_DELAY_MS);
  }

  /** Resolves when everything is written. */
  async flush(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    await this.#writing;
    await this.#write();
  }

  async #write(): Promise<void> {
    // 0600: user_data holds the one-time keys. No fsync: what must survive is the end of this process, not of the machine.
    await writeFileAtomic(this.#file, JSON.stringify(this.#snapshot()), { mode: 0o600, fsync: false });
  }
}

export function stateFile(dir: string): string {
  return join(dir, "state.json");
}

/** A file that is not an emulator's state, or is damaged. */
export class UnusableState extends Error {}

/** @returns null where nothing was saved yet. @throws UnusableState */
export async function loadState(dir: string): Promise<StoredState | null> {
  let text: string;
  try {
    text = await readFile(stateFile(dir), "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
  const parsed = parsedOf(text);
  if (typeof parsed !== "object" || parsed === null || !("version" in parsed) || parsed.version !== 1) {
    throw new UnusableState(`${stateFile(dir)} is damaged, or is not the state of this emulator (version 1).`);
  }
  return parsed as StoredState;
}

function parsedOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
