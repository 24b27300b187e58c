import pc from "picocolors";
import { withoutHost } from "../../core/base/wording.ts";
import { printable } from "../../engine/progress/progress.ts";
import { openRegion } from "../screen/live.ts";
import { cut, padded, sizeOf } from "../screen/terminal.ts";
import { type FleetView, secondsText, stateWords } from "./view.ts";

/** A table is only drawn on a terminal that has colours. */
const colours = pc.createColors(true);

interface Row {
  host: string;
  state: "waiting" | "running" | "ok" | "failed" | "stopped" | "not started";
  phase: string;
  startedAt: number | undefined;
  seconds: number;
}

/** The order of the rows: what a person has to act on, then what goes on, then what is over. */
const order: readonly Row["state"][] = ["failed", "stopped", "running", "waiting", "ok", "not started"];

/** One table that is redrawn in place. It never grows past the screen: counts stand for the hosts that do not fit. */
export function tableView(hosts: readonly string[], stream: NodeJS.WriteStream): FleetView {
  const rows = new Map<string, Row>(
    hosts.map((host) => [host, { host, state: "waiting", phase: "", startedAt: undefined, seconds: 0 }]),
  );
  const notes: string[] = [];
  const beganAt = Date.now();
  const region = openRegion(stream, () =>
    tableText([...rows.values()], notes.slice(-2), sizeOf(stream), (Date.now() - beganAt) / 1000),
  );
  region.change();
  const change = (host: string, what: Partial<Row>) => {
    const row = rows.get(host);
    if (row) Object.assign(row, what);
    region.change();
  };
  return {
    note(text) {
      notes.push(text);
      region.change();
    },
    started: (host) => change(host, { state: "running", phase: "begun", startedAt: Date.now() }),
    told: (host, text) => change(host, { phase: withoutHost(host, text) }),
    ended: ({ host, state, seconds, summary }) => change(host, { state, seconds, phase: summary }),
    close: () => region.close(),
  };
}

export function tableText(
  rows: readonly Row[],
  notes: readonly string[],
  { columns, rows: height }: { columns: number; rows: number },
  seconds: number,
): string[] {
  const count = (state: Row["state"]) => rows.filter((row) => row.state === state).length;
  const counts = order
    .filter((state) => count(state) > 0)
    .map((state) => `${count(state)} ${state}`)
    .join(", ");
  const head = colours.bold(cut(`${secondsText(seconds).padStart(8)}  ${rows.length} hosts: ${counts}`, columns));
  const sorted = [...rows].sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state));
  const space = Math.max(1, height - 3 - notes.length);
  const shown = sorted.length > space ? sorted.slice(0, space - 1) : sorted;
  const left = sorted.length - shown.length;
  const width = Math.min(Math.max(...rows.map(({ host }) => host.length)), Math.floor(columns / 3));
  const lines = shown.map((row) => coloured(row.state, cut(rowText(row, width), columns)));
  const tail = left > 0 ? [colours.dim(cut(`            and ${left} more`, columns))] : [];
  return [head, ...lines, ...tail, ...notes.map((note) => cut(`            ${printable(note)}`, columns))];
}

function rowText({ host, state, phase, startedAt, seconds }: Row, width: number): string {
  const running = startedAt === undefined ? "" : secondsText((Date.now() - startedAt) / 1000);
  const time =
    state === "running" ? running : state === "waiting" || state === "not started" ? "" : secondsText(seconds);
  const word = state === "running" || state === "waiting" ? state : stateWords[state];
  const text = printable(phase).split("\n")[0];
  return `${time.padStart(8)}  ${marks[state]} ${padded(cut(host, width), width)}  ${word.padEnd(7)}  ${text}`;
}

const marks: Readonly<Record<Row["state"], string>> = {
  failed: "✗",
  stopped: "✗",
  running: "●",
  waiting: "·",
  ok: "✓",
  "not started": "·",
};

function coloured(state: Row["state"], text: string): string {
  if (state === "failed" || state === "stopped") return colours.red(text);
  if (state === "ok") return colours.green(text);
  return state === "running" ? text : colours.dim(text);
}
