/**
 * `npm test`: every check, all at once, since tests wait much of their time. Each is shown by itself and told as it ends, in this
 * order; a failure ends none of the others, so that one run shows all of them.
 */
import { execa } from "execa";

const checks: [string, string, string[]][] = [
  ["lint and format", "biome", ["check", "--diagnostic-level=error"]],
  ["types", "tsc", []],
  ["tests", "vitest", ["run", ...process.argv.slice(2)]],
];
const env: Record<string, string> = process.stdout.isTTY ? { FORCE_COLOR: "1" } : {};

/** Starts one. What it says is held back until it is shown. */
function start([name, command, args]: (typeof checks)[number]) {
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
process.stdout.write(`${checks.length - failed.length} passed, ${failed.length} failed\n`);
process.exit(failed.length === 0 ? 0 : 1);
