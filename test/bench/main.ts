/**
 * `npm run bench -- [--hosts 1,10,100] [--latency 0,50] [--runs 3] [--busy] [--save] [--against FILE] [--json]`: OpenTofu beside
 * our engine, on the same emulator. It refuses to measure on a busy machine; `--busy` measures anyway, and says so in the
 * result. `--save` writes the result, its page and its chart to test/bench/results. `--against` names what got worse since that
 * result, by ratios, and then exits 1. `npm run bench -- emulator` and `npm run bench -- secrets` measure those alone,
 * `npm run bench -- schedule` simulates a fleet. docs/performance.md says what came out.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { engineOrSetUp } from "../../engine/environment.ts";
import { ensureTofu } from "../../toolchain/index.ts";
import { chartOf } from "./compare/chart.ts";
import { compare } from "./compare/lives.ts";
import { regressions } from "./compare/ratios.ts";
import { type BenchRecord, circumstances, highestLoad, isAtRest, type Row, readRecord } from "./compare/record.ts";
import { pageOf, summaryOf } from "./compare/table.ts";

const tell = (text: string) => process.stderr.write(`bench: ${text}\n`);
const root = resolve(import.meta.dirname, "../..");
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
      busy: { type: "boolean", default: false },
      save: { type: "boolean", default: false },
      against: { type: "string" },
    },
  });
  const [runs = 0] = wholeNumbers("runs", values.runs, 1);
  const [allHosts, latencies] = [wholeNumbers("hosts", values.hosts, 1), wholeNumbers("latency", values.latency, 0)];
  // Before anything takes time: a file that cannot be read is a mistake of typing.
  const last = values.against === undefined ? undefined : readRecord(values.against);
  const engine = await engineOrSetUp(tell);
  const report = ({ kind, component }: { kind: string; component: string }) => tell(`${component}: ${kind}`);
  const tofu = await ensureTofu({ root, sources: join(root, "toolchain"), report });
  const [load = 0] = loadavg();
  if (!isAtRest(load) && !values.busy) {
    tell(`the load of this machine is ${load.toFixed(1)}, and times mean little above ${highestLoad}.`);
    tell("Wait until uptime shows less, or pass --busy: the result is then marked as taken on a busy machine.");
    process.exit(1);
  }
  const about = circumstances({ opentofu: openTofuVersion() });
  const rows: Row[] = [];
  for (const hosts of allHosts) {
    for (const latencyMs of latencies) {
      tell(`${hosts} hosts, ${latencyMs} ms, ${runs} runs`);
      rows.push(...(await compare({ engine, tofu, hosts, latencyMs, runs })));
    }
  }
  const record: BenchRecord = { ...about, rows };
  if (values.save) save(record);
  process.stdout.write(values.json ? `${JSON.stringify(record)}\n` : `${summaryOf(record)}\n`);
  const worse = last ? regressions(last, record) : [];
  for (const line of worse) tell(`worse: ${line}`);
  if (worse.length > 0) process.exitCode = 1;
}

function save(record: BenchRecord): void {
  const results = join(import.meta.dirname, "results");
  writeFileSync(join(results, "opentofu.json"), `${JSON.stringify(record, null, 2)}\n`);
  writeFileSync(join(results, "opentofu.md"), pageOf(record));
  writeFileSync(join(results, "opentofu.svg"), chartOf(record));
  tell(`saved in ${results}: opentofu.json, opentofu.md and opentofu.svg`);
}

function openTofuVersion(): string {
  const file = join(root, "toolchain", "tofu", "cli", "go.mod");
  return /opentofu\/opentofu v([0-9.]+)/.exec(readFileSync(file, "utf8"))?.[1] ?? "unknown";
}

function wholeNumbers(name: string, text: string, least: number): number[] {
  const numbers = text.split(",").map((each) => (/^[0-9]{1,4}$/.test(each) ? Number(each) : Number.NaN));
  if (numbers.every((number) => number >= least)) return numbers;
  process.stderr.write(`bench: --${name} is "${text}"; give whole numbers from ${least} on, e.g. 1,10,100.\n`);
  process.exit(2);
}
