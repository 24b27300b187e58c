/** How often what was asked: what a bench and a demo report. */
export class Counters {
  readonly #requests = new Map<string, number>();
  readonly #unknown = new Map<string, number>();

  count(method: string, template: string): void {
    add(this.#requests, `${method} ${template}`);
  }

  countUnknown(method: string, path: string): void {
    add(this.#unknown, `${method} ${path}`);
  }

  reset(): void {
    this.#requests.clear();
    this.#unknown.clear();
  }

  requests(): Record<string, number> {
    return Object.fromEntries([...this.#requests].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  unknownEndpoints(): string[] {
    return [...this.#unknown].map(([endpoint, times]) => (times === 1 ? endpoint : `${endpoint} (${times} times)`));
  }
}

function add(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
