/** `npm test`: every check, each told as it ends; goes on after a failure so that one run shows all of them. */
import { execa } from "execa";

const checks: [string, string, string[]][] = [
  ["lint and format", "biome", ["check", "--diagnostic-level=error"]],
  ["types", "tsc", []],
  ["tests", "vitest", ["run", ...process.argv.slice(2)]],
];

const failed: string[] = [];
for (const [name, command, args] of checks) {
  const startedAt = Date.now();
  const { exitCode } = await execa(command, args, { preferLocal: true, stdio: "inherit", reject: false });
  const seconds = ((Date.now() - startedAt) / 1000).toFixed(1);
  process.stdout.write(`${exitCode === 0 ? "passed" : "FAILED"}  ${name} (${seconds} s)\n`);
  if (exitCode !== 0) failed.push(name);
}
if (failed.length > 0) process.stderr.write(`Failed: ${failed.join(", ")}\n`);
process.stdout.write(`${checks.length - failed.length} passed, ${failed.length} failed\n`);
process.exit(failed.length === 0 ? 0 : 1);
