import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ProcessWatch } from "../../../engine/_process-watch.ts";
import { until } from "../_lab.ts";

/** Secrets that nobody may see: in no process from the moment they are known, and in the end in no file. */
export class Leaks {
  readonly #secrets: Record<string, string> = {};
  readonly #watches: ProcessWatch[] = [];

  get names(): string[] {
    return Object.keys(this.#secrets);
  }

  /** Watches all processes for one more secret, and for those before. */
  async watchFor(name: string, secret: string): Promise<void> {
    this.#secrets[name] = secret;
    const next = new ProcessWatch({ ...this.#secrets });
    await until("processes are watched", async () => next.looks.arguments > 0);
    await this.#watches.at(-1)?.stop();
    this.#watches.push(next);
  }

  async stop(): Promise<void> {
    await this.#watches.at(-1)?.stop();
  }

  /** Command lines and environments read so far. */
  get looks(): number {
    return this.#watches.reduce((sum, { looks }) => sum + looks.arguments + looks.environments, 0);
  }

  /** Where processes showed them, such as `apiKey: arguments of sh`. */
  get inProcesses(): string[] {
    const findings = this.#watches.flatMap(({ found }) => found);
    return [...new Set(findings.map(({ canary, where, program }) => `${canary}: ${where} of ${program}`))];
  }

  /** @param places texts, by what they are. @returns such as `apiKey: the state` */
  inTexts(places: Readonly<Record<string, string>>): string[] {
    return Object.entries(places).flatMap(([place, text]) => {
      const found = Object.entries(this.#secrets).filter(([, secret]) => text.includes(secret));
      return found.map(([name]) => `${name}: ${place}`);
    });
  }
}

/** The text of every file below some folders, by its path. Links are not followed. @param isLeftOut by path */
export function filesBelow(folders: readonly string[], isLeftOut: (path: string) => boolean): Record<string, string> {
  const entries = folders.flatMap((folder) => readdirSync(folder, { recursive: true, withFileTypes: true }));
  const paths = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  return Object.fromEntries(
    paths.filter((path) => !isLeftOut(path)).map((path) => [path, readFileSync(path, "latin1")]),
  );
}
