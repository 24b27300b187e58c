/**
 * `npm run bench -- [--json] [--hosts 1,10,100] [--latency 0,50] [--runs 3]`: OpenTofu beside our engine, on the same emulator.
 * `npm run bench -- emulator` and `npm run bench -- secrets` measure those alone, `npm run bench -- schedule` simulates a fleet. docs/performance.md says what came out.
 */
import { cpus, loadavg } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { engineOrSetUp } from "../../engine/environment.ts";
import { ensureTofu } from "../../toolchain/index.ts";
import { tableOf } from "./_table.ts";
import { compare, type Row } from "./compare.ts";

const tell = (text: string) => process.stderr.write(`bench: ${text}\n`);
const others: Record<string, string> = {
  emulator: "./emulator.ts",
  secrets: "./secrets.ts",
  schedule: "./schedule/main.ts",
};
const alone = process.argv.slice(2).find((argument) => others[argument] !== undefined);
if (alone !== undefined) {
  process.argv.splice(process.argv.indexOf(alone), 1);
  await import(others[alone] ?? "");
} else await main();

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      json: { type: "boolean", default: false },
      hosts: { type: "string", default: "1,10,100" },
      latency: { type: "string", default: "0,50" },
      runs: { type: "string", default: "3" },
    },
  });
  const [runs = 0] = wholeNumbers("runs", values.runs, 1);
  const [allHosts, latencies] = [wholeNumbers("hosts", values.hosts, 1), wholeNumbers("latency", values.latency, 0)];
  const root = resolve(import.meta.dirname, "../..");
  const engine = await engineOrSetUp(tell);
  const report = ({ kind, component }: { kind: string; component: string }) => tell(`${component}: ${kind}`);
  const tofu = await ensureTofu({ root, sources: join(root, "toolchain"), report });
  const rows: Row[] = [];
  for (const hosts of allHosts) {
    for (const latencyMs of latencies) {
      tell(`${hosts} hosts, ${latencyMs} ms, ${runs} runs; load ${loadavg()[0]?.toFixed(1)} on ${cpus().length} cores`);
      rows.push(...(await compare({ engine, tofu, hosts, latencyMs, runs })));
    }
  }
  process.stdout.write(values.json ? `${JSON.stringify(rows)}\n` : `${tableOf(rows)}\n`);
}

function wholeNumbers(name: string, text: string, least: number): number[] {
  const numbers = text.split(",").map((each) => (/^[0-9]{1,4}$/.test(each) ? Number(each) : Number.NaN));
  if (numbers.every((number) => number >= least)) return numbers;
  process.stderr.write(`bench: --${name} is "${text}"; give whole numbers from ${least} on, e.g. 1,10,100.\n`);
  process.exit(2);
}
