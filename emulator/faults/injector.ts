import type { FaultEffect, FaultRule } from "./schema.ts";

interface Armed {
  rule: FaultRule;
  seen: number;
  hits: number;
  random: () => number;
}

/** Decides, request by request, which fault strikes. Faults can be replaced while running. */
export class FaultInjector {
  #armed: Armed[] = [];

  set(rules: FaultRule[]): void {
    this.#armed = rules.map((rule) => ({ rule, seen: 0, hits: 0, random: seededRandom(rule.match.seed) }));
  }

  /** How often each rule struck, in the order given. */
  hits(): number[] {
    return this.#armed.map((armed) => armed.hits);
  }

  /** The first rule that strikes wins; the others still count the request. */
  next(method: string, template: string): FaultEffect | null {
    let chosen: FaultEffect | null = null;
    for (const armed of this.#armed) {
      if (!matches(armed.rule, method, template)) continue;
      armed.seen += 1;
      if (chosen !== null || !strikes(armed)) continue;
      armed.hits += 1;
      chosen = armed.rule.fault;
    }
    return chosen;
  }
}

function matches({ match }: FaultRule, method: string, template: string): boolean {
  return (match.method === "*" || match.method === method) && (match.path === "*" || match.path === template);
}

function strikes({ rule: { match }, seen, random }: Armed): boolean {
  const from = match.nth ?? 1;
  if (seen < from) return false;
  const count = match.times ?? (match.nth === undefined ? Number.POSITIVE_INFINITY : 1);
  if (seen >= from + count) return false;
  return match.probability === undefined || random() < match.probability;
}

/** mulberry32: small, and the same sequence everywhere, so that a run with faults can be repeated. */
function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
