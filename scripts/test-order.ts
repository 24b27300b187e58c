import { execa } from "execa";

/**
 * The seed of a run. In CI it comes from the committed files, so that the same commit is tried in the same order with the same random
 * inputs everywhere, and another commit in another one. Elsewhere any number.
 */
export async function seedOf(environment: NodeJS.ProcessEnv): Promise<number> {
  const any = Date.now() % 1_000_000;
  if (!environment["CI"]) return any;
  const { stdout, failed } = await execa("git", ["rev-parse", "HEAD^{tree}"], { reject: false });
  return failed ? any : Number.parseInt(stdout.slice(0, 7), 16);
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
