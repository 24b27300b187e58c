import pc from "picocolors";
import stringWidth from "string-width";

type Environment = Readonly<Record<string, string | undefined>>;

/** What is asked of a stream that may be a terminal. */
export interface Stream {
  isTTY?: boolean;
  columns?: number;
  rows?: number;
}

const isSet = (value: string | undefined) => value !== undefined && !["", "0", "false"].includes(value);

/** Whether a list may be redrawn in place. Otherwise lines are written one after the other, without escape codes. */
export function isLive(stream: Stream, environment: Environment, plain = false): boolean {
  return !plain && hasColours(stream, environment) && !isSet(environment["CI"]);
}

/** @see https://no-color.org */
const hasColours = (stream: Stream, environment: Environment) =>
  stream.isTTY === true && environment["TERM"] !== "dumb" && !environment["NO_COLOR"];

/** Colours for lines of a result, if the stream is a terminal. picocolors' own rule asks about standard output only. */
export const coloursFor = (stream: Stream, environment: Environment) =>
  pc.createColors(hasColours(stream, environment));

export type Colours = ReturnType<typeof pc.createColors>;

/** Columns and rows. A terminal that was never given a size says 0. */
export const sizeOf = ({ columns, rows }: Stream) => ({ columns: columns || 80, rows: rows || 24 });

/** Columns that a text takes: a Chinese character takes two. The same rule as of log-update, which draws. */
export const widthOf = (text: string): number => stringWidth(text);

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** The longest beginning of a text that fits. */
function beginning(text: string, columns: number): string {
  let fits = "";
  let width = 0;
  for (const { segment } of graphemes.segment(text)) {
    width += stringWidth(segment);
    if (width > columns) break;
    fits += segment;
  }
  return fits;
}

/** The first line, cut where it does not fit: a list whose lines wrap cannot be redrawn in its place. */
export function cut(text: string, columns: number): string {
  const line = oneLine(text);
  return widthOf(line) <= columns ? line : `${beginning(line, columns - 1)}…`;
}

/** The first line, without tabs, whose width depends on where they stand. */
export const oneLine = (text: string) => (text.split("\n")[0] ?? "").replaceAll("\t", " ");

/** Fills up with spaces. */
export const padded = (text: string, columns: number): string =>
  text + " ".repeat(Math.max(0, columns - widthOf(text)));

/** Breaks lines between words, and a word only if it is longer than a line. */
export function wrapped(text: string, columns: number): string[] {
  return text.split("\n").flatMap((line) => {
    const lines: string[] = [];
    let rest = line.replaceAll("\t", "  ");
    while (widthOf(rest) > columns) {
      const fits = beginning(rest, columns);
      const space = rest[fits.length] === " " ? fits.length : fits.lastIndexOf(" ");
      const end = space < 0 || fits.slice(0, space).trim() === "" ? Math.max(1, fits.length) : space;
      lines.push(rest.slice(0, end));
      rest = rest.slice(end).trimStart();
    }
    return [...lines, rest];
  });
}

/** `0.8 s`, `12 s`, `2 min 05 s`, `1 h 05 min`. */
export function durationText(seconds: number): string {
  if (seconds < 10) return `${(Math.floor(seconds * 10) / 10).toFixed(1)} s`;
  const whole = Math.floor(seconds);
  if (whole < 60) return `${whole} s`;
  const two = (count: number) => String(count).padStart(2, "0");
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor(whole / 60) % 60)} min`;
}

/** A limit has no seconds to count: `5 min`. */
export const limitText = (seconds: number): string =>
  seconds >= 60 && seconds % 60 === 0 ? `${seconds / 60} min` : durationText(seconds).replace(".0", "");
