/**
 * `node --import ./bin/typescript.mjs test/bench/secrets.ts [--bots 50] [--runs 5]`: how long `clawdlets secrets init`, `verify` and `rotate` take as whole
 * processes for a host with many bots, with real sops and age. The medians go to standard output as one JSON line.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { execa } from "execa";
import { makeProject, openHost, valuesFor } from "../core/project/secrets/_lab.ts";

const { values: options } = parseArgs({
  options: { bots: { type: "string", default: "50" }, runs: { type: "string", default: "5" } },
});
const bots = Array.from({ length: Number(options.bots) }, (_, index) => `bot${index}`);
const commands = { init: ["init", "--from-json", "-"], again: ["init"], verify: ["verify"], rotate: ["rotate"] };
const seconds: Record<string, number[]> = {};

for (let run = 0; run < Number(options.runs); run++) {
  const root = mkdtempSync(join(tmpdir(), "clawdlets-bench-"));
  const layout = makeProject(root, [{ name: "web-1", bots }]);
  const input = JSON.stringify(valuesFor(openHost(layout, "web-1"), "bench"));
  for (const [name, args] of Object.entries(commands)) {
    const startedAt = performance.now();
    await execa(process.execPath, [join(process.cwd(), "bin", "clawdlets.mjs"), "secrets", ...args], {
      cwd: root,
      input,
    });
    seconds[name] = [...(seconds[name] ?? []), (performance.now() - startedAt) / 1000];
  }
  rmSync(root, { recursive: true });
}

const median = (all: readonly number[]) => [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)] ?? Number.NaN;
const medians = Object.entries(seconds).map(([name, all]) => [name, Math.round(median(all) * 1000) / 1000] as const);
process.stdout.write(
  `${JSON.stringify({ bots: bots.length, runs: Number(options.runs), seconds: Object.fromEntries(medians) })}\n`,
);
