import type { Row } from "./compare.ts";

/** The rows as a Markdown table, ours beside OpenTofu's. */
export function tableOf(rows: readonly Row[]): string {
  const heads =
    "| hosts | latency | step | | wall | cpu | peak memory | requests | state |\n|---|---|---|---|---|---|---|---|---|";
  const lines = rows.map(({ hosts, latencyMs, step, contestant, seconds, cpu, peakMib, requests, stateBytes }) => {
    const figures = [`${seconds.toFixed(2)} s`, `${cpu.toFixed(2)} s`, `${Math.round(peakMib)} MiB`, String(requests)];
    const state = step === "create" ? `${(stateBytes / 1024).toFixed(1)} KiB` : "";
    return `| ${[hosts, `${latencyMs} ms`, step, contestant, ...figures, state].join(" | ")} |`;
  });
  return [heads, ...lines].join("\n");
}
