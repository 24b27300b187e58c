import { printable } from "../../engine/progress/progress.ts";
import type { Row } from "./rows.ts";
import { type Colours, cut, durationText, limitText, oneLine, padded, widthOf } from "./terminal.ts";

const spinner = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"] as const;

/** Wider than this, the times would be too far from what they belong to. */
const widest = 100;

/** Width of the names of an installation's steps. */
const partWidth = 7;

export interface ListView {
  /** The first line: what runs, e.g. `web-1: up`. */
  title: string;
  state: Row["state"];
  startedAt: number;
  rows: readonly Row[];
}

export interface ListLook {
  columns: number;
  rows: number;
  now: number;
  colours: Colours;
}

/** The lines of a list, which never grows past the screen, in either direction. */
export function listLines({ title, state, startedAt, rows }: ListView, look: ListLook): string[] {
  const ended = Math.max(0, ...rows.map(({ endedAt }) => endedAt ?? 0));
  const head: Row = { id: "", parent: undefined, state, title, detail: "", limitSeconds: undefined, startedAt };
  const over = state === "running" ? head : { ...head, endedAt: Math.max(ended, look.now) };
  const { before, shown, after } = folded(rows, Math.max(1, look.rows - 3));
  const note = (count: number, what: string) =>
    count > 0 ? [look.colours.dim(cut(`  … ${count} ${what}`, look.columns))] : [];
  return [
    lineOf(over, look, 0),
    ...note(before, "done before"),
    ...shown.map((row) => lineOf(row, look, row.parent === undefined ? 1 : 2)),
    ...note(after, "more"),
  ];
}

/** On a small screen, finished rows are dropped first; running and failed ones stay. */
function folded(rows: readonly Row[], space: number) {
  if (rows.length <= space) return { before: 0, shown: rows, after: 0 };
  const tooMany = rows.length - space + 1;
  const done = rows.filter(({ state }) => state === "done").slice(0, tooMany);
  const left = rows.filter((row) => !done.includes(row));
  const shown = left.slice(0, Math.max(1, space - (done.length > 0 ? 1 : 0) - (left.length > space - 1 ? 1 : 0)));
  return { before: done.length, shown, after: left.length - shown.length };
}

function lineOf(row: Row, look: ListLook, level: number): string {
  const { columns, colours } = look;
  const width = Math.min(columns, widest);
  const time = timeOf(row, look.now);
  // Too narrow for both: the name says more than the time.
  const room = width - widthOf(time) - 2;
  const hasTime = room >= 16;
  const indent = "  ".repeat(level);
  const name = oneLine(printable(row.title));
  const title = level === 2 ? padded(name, partWidth) : name;
  const detail = oneLine(printable(row.detail));
  const body = cut(detail === "" ? title : `${title}  ${detail}`, (hasTime ? room : width) - indent.length - 2);
  const [named, rest] = [body.slice(0, title.length), body.slice(title.length)];
  const left = `${indent}${mark(row.state, look)} ${level === 0 ? colours.bold(named) : named}${rest === "" ? "" : colours.dim(rest)}`;
  if (!hasTime) return left;
  const fill = " ".repeat(Math.max(2, width - widthOf(`${indent}  ${body}${time}`)));
  return `${left}${fill}${isLate(row, look.now) ? colours.yellow(time) : colours.dim(time)}`;
}

function mark(state: Row["state"], { colours, now }: ListLook): string {
  if (state === "done") return colours.green("✓");
  if (state === "failed") return colours.red("✗");
  return colours.cyan(spinner[Math.floor(now / frameMs) % spinner.length] ?? "⠋");
}

/** Milliseconds that the list stands still. */
export const frameMs = 250;

const secondsOf = ({ startedAt, endedAt }: Row, now: number) => Math.max(0, (endedAt ?? now) - startedAt) / 1000;

function timeOf(row: Row, now: number): string {
  const spent = secondsOf(row, now);
  if (row.state !== "running") return durationText(spent);
  const soFar = durationText(Math.floor(spent)).replace(".0", "");
  return row.limitSeconds === undefined ? soFar : `${soFar} of ${limitText(row.limitSeconds)}`;
}

/** Early enough for a person to open the server's console before the limit ends the run. */
const isLate = (row: Row, now: number) =>
  row.state === "running" && row.limitSeconds !== undefined && secondsOf(row, now) > row.limitSeconds * 0.75;
