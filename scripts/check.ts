/**
 * `npm test`: runs all checks in parallel, since tests mostly wait. Each one's output is shown as a block, in this order; a failure
 * does not stop the others, so that one run shows all failures.
 *
 * `npm run check` (`--quick`): lint, types, and the tests that need no engine. `npm test -- PATH…` or `-- --project NAME`: only those
 * tests; arguments after `--` go to vitest.
 *
 * Everything, and whatever CI asks for, runs in random order. CI repeats the order of the last recorded run, and so does `CI=1 npm test`.
 */
import { execa } from "execa";
import { randomOrder, seedOf } from "./test-order.ts";

type Check = [name: string, command: string, args: string[]];

const asked = process.argv.slice(2);
const seed = seedOf(process.env);
const order = randomOrder(asked, process.env, seed);
const sources: Check[] = [
  ["lint and format", "biome", ["check", "--diagnostic-level=error"]],
  // Where nothing has changed since the last run: 6 s of processor time in place of 34.
  ["types", "tsc", ["--incremental", "--tsBuildInfoFile", ".toolchain/types.tsbuildinfo"]],
];
const checks = checksFor(asked);
const env: Record<string, string> = {
  ...(process.stdout.isTTY && { FORCE_COLOR: "1" }),
  ...(order.length > 0 && { CLAWDLETS_TEST_SEED: `${seed}` }),
};

function checksFor(args: string[]): Check[] {
  const tests = (...more: string[]): Check => ["tests", "vitest", ["run", ...more, ...order]];
  if (args[0] === "--quick") return [...sources, tests("--project", "unit", "--project", "docs", ...args.slice(1))];
  return args.length > 0 ? [tests(...args)] : [...sources, tests()];
}

/** Starts one check and buffers its output. */
function start([name, command, args]: Check) {
  const startedAt = Date.now();
  const child = execa(command, args, {
    preferLocal: true,
    stdin: "inherit",
    all: true,
    buffer: false,
    reject: false,
    env,
  });
  const held: Buffer[] = [];
  let say = (text: Buffer): unknown => held.push(text);
  child.all.on("data", (text: Buffer) => say(text));
  const ended = child.then(({ exitCode }) => ({ passed: exitCode === 0, seconds: (Date.now() - startedAt) / 1000 }));
  const show = () => {
    process.stdout.write(Buffer.concat(held));
    say = (text) => process.stdout.write(text);
  };
  return { name, show, ended };
}

const failed: string[] = [];
for (const { name, show, ended } of checks.map(start)) {
  show();
  const { passed, seconds } = await ended;
  process.stdout.write(`${passed ? "passed" : "FAILED"}  ${name} (${seconds.toFixed(1)} s)\n`);
  if (!passed) failed.push(name);
}
if (failed.length > 0) process.stderr.write(`Failed: ${failed.join(", ")}\n`);
if (failed.includes("tests") && order.length > 0)
  process.stderr.write(
    `The tests ran in random order. To repeat it for one file: npm test -- FILE ${order.join(" ")}\n`,
  );
process.stdout.write(`${checks.length - failed.length} passed, ${failed.length} failed\n`);
process.exit(failed.length === 0 ? 0 : 1);
