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
