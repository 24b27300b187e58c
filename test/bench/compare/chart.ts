import { steps } from "./contestants.ts";
import { type Ratio, ratiosOf } from "./ratios.ts";
import type { BenchRecord } from "./record.ts";

/** Pixels. */
const size = { width: 720, left: 170, right: 60, bar: 14, gap: 4, group: 14, top: 44 };
const colours = ["#0b6e99", "#4ba3c7", "#9fd0e3"];

/**
 * A bar chart of the time of each step, as times OpenTofu's, without latency: one bar for each number of hosts, and a line at 1.
 * @returns an SVG document
 */
export function chartOf(record: BenchRecord): string {
  const ratios = ratiosOf(record.rows).filter(({ latencyMs }) => latencyMs === 0);
  const counts = [...new Set(ratios.map(({ hosts }) => hosts))].sort((a, b) => a - b);
  const most = Math.max(1, ...ratios.map(({ seconds }) => seconds));
  const scale = (ratio: number) => (ratio / most) * (size.width - size.left - size.right);
  const groupHeight = counts.length * (size.bar + size.gap) + size.group;
  const shown = steps.filter((step) => ratios.some((each) => each.step === step));
  const height = size.top + shown.length * groupHeight + 8;
  const groups = shown.flatMap((step, index) => {
    const y = size.top + index * groupHeight;
    return [
      text(size.left - 10, y + (groupHeight - size.group) / 2 + 4, step, "end"),
      ...counts.flatMap((hosts, row) => barOf(ratios, { step, hosts, row, y, scale })),
    ];
  });
  const one = size.left + scale(1);
  const title = `Time of each step, as times OpenTofu's${record.atRest ? "" : `, on a busy machine (load ${record.load})`}`;
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" width="${size.width}" height="${height}" viewBox="0 0 ${size.width} ${height}" role="img" font-family="sans-serif" font-size="12">`,
    `<title>${title}</title>`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    text(12, 20, title, "start"),
    ...counts.map((hosts, row) => legend(hosts, row, counts.length)),
    ...groups,
    `<line x1="${round(one)}" x2="${round(one)}" y1="${size.top - 6}" y2="${height - 8}" stroke="#444444" stroke-dasharray="3 3"/>`,
    "</svg>",
  ].join("\n")}\n`;
}

interface Bar {
  step: Ratio["step"];
  hosts: number;
  row: number;
  y: number;
  scale: (ratio: number) => number;
}

function barOf(ratios: readonly Ratio[], { step, hosts, row, y, scale }: Bar): string[] {
  const ratio = ratios.find((each) => each.step === step && each.hosts === hosts);
  if (!ratio) return [];
  const top = y + row * (size.bar + size.gap);
  const width = round(scale(ratio.seconds));
  return [
    `<rect x="${size.left}" y="${top}" width="${width}" height="${size.bar}" fill="${colours[row % colours.length]}"/>`,
    text(size.left + width + 6, top + size.bar - 3, ratio.seconds.toFixed(1), "start"),
  ];
}

function legend(hosts: number, row: number, count: number): string {
  const x = size.width - (count - row) * 84;
  const square = `<rect x="${x}" y="11" width="10" height="10" fill="${colours[row % colours.length]}"/>`;
  return `${square}${text(x + 15, 20, `${hosts} ${hosts === 1 ? "host" : "hosts"}`, "start")}`;
}

function text(x: number, y: number, words: string, anchor: "start" | "end"): string {
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}" fill="#222222">${words}</text>`;
}

const round = (pixels: number) => Math.round(pixels * 10) / 10;
