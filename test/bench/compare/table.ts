import { contestantNames } from "./contestants.ts";
import { type Ratio, ratiosOf } from "./ratios.ts";
import type { BenchRecord } from "./record.ts";

/** The page of a measurement: how it was taken, the ratios, and the figures of both. */
export function pageOf(record: BenchRecord): string {
  const { machine, versions, rows } = record;
  const used = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return `# clawdlets' engine beside OpenTofu

Made by \`npm run bench -- --save\` from [opentofu.json](opentofu.json); do not edit. [docs/performance.md](../../../docs/performance.md) explains the
method and the columns.

- measured: ${record.date}, commit ${record.commit}
- machine: ${machine.cores} cores of ${machine.processor} (${machine.architecture}), ${machine.memoryGiB} GiB
- load before the first run: ${record.load}, ${record.atRest ? "at rest" : "**busy**: compare processor time, memory and requests, not seconds"}
- versions: ${used.join(", ")}

![Time of each step](opentofu.svg)

## Ours, as times OpenTofu's

${table(["hosts", "latency", "step", "time", "cpu", "peak memory", "requests"], ratiosOf(rows).map(ratioCells))}

## Medians

${table(["hosts", "latency", "step", "", "time", "cpu", "peak memory", "requests", "state", "runs"], rows.map(cells))}
`;
}

function ratioCells({ hosts, latencyMs, step, seconds, cpu, peakMib, requests }: Ratio): string[] {
  const ratios = [seconds, cpu, peakMib, requests].map((each) => each.toFixed(2));
  return [String(hosts), `${latencyMs} ms`, step, ...ratios];
}

function cells(row: BenchRecord["rows"][number]): string[] {
  const { hosts, latencyMs, step, contestant, seconds, cpu, peakMib, requests, stateBytes, runs } = row;
  const figures = [`${seconds.toFixed(2)} s`, `${cpu.toFixed(2)} s`, `${Math.round(peakMib)} MiB`, String(requests)];
  const state = step === "create" ? `${(stateBytes / 1024).toFixed(1)} KiB` : "";
  return [String(hosts), `${latencyMs} ms`, step, contestant, ...figures, state, String(runs)];
}

function table(heads: string[], lines: string[][]): string {
  return [heads, heads.map(() => "---"), ...lines].map((each) => `| ${each.join(" | ")} |`).join("\n");
}

/** A few lines for the terminal. */
export function summaryOf({ rows, atRest, load }: BenchRecord): string {
  const lines = ratiosOf(rows).map((ratio) => {
    const { hosts, latencyMs, step, seconds, cpu, peakMib } = ratio;
    return `${hosts} hosts, ${latencyMs} ms, ${step}: ${seconds.toFixed(2)} × the time, ${cpu.toFixed(2)} × the processor time, ${peakMib.toFixed(2)} × the memory of ${contestantNames.tofu}`;
  });
  return [...lines, ...(atRest ? [] : [`BUSY: the load was ${load}; the times mean little`])].join("\n");
}
