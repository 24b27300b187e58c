import { readFileSync } from "node:fs";
import { join } from "node:path";

/** `{ "seed": … }` of the last whole run that was recorded (test/order/record.ts). */
const recorded = join(import.meta.dirname, "../test/order/seed.json");

/**
 * The seed of a run. CI repeats the recorded one, so that what passed in a whole run elsewhere meets no other order and no other random
 * inputs there. Everywhere else each run draws a new one.
 */
export function seedOf(environment: NodeJS.ProcessEnv): number {
  return environment["CI"] ? JSON.parse(readFileSync(recorded, "utf8")).seed : Date.now() % 1_000_000;
}

/**
 * Arguments that have vitest run the tests of each file in random order, so that a test which needs an earlier one is found. Nothing
 * where single tests are asked for, except in CI, or where the caller chooses an order (`--sequence.…`).
 * @param args what was passed to `npm test`
 * @param seed any number; the same seed gives the same order
 */
export function randomOrder(args: readonly string[], environment: NodeJS.ProcessEnv, seed: number): string[] {
  const isEverything = args.length === 0 || args[0] === "--quick";
  if (args.some((arg) => arg.startsWith("--sequence"))) return [];
  if (!isEverything && !environment["CI"]) return [];
  return ["--sequence.shuffle.tests", `--sequence.seed=${seed}`];
}
