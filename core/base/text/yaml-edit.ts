import type { Node } from "yaml";

/** A replacement of one piece of a text, by offsets. */
export interface Edit {
  start: number;
  end: number;
  text: string;
}

/** Applies the edits and keeps everything else byte for byte, which printing a parsed document would not. */
export function applyEdits(text: string, edits: readonly Edit[]): string {
  const lastFirst = [...edits].sort((one, other) => other.start - one.start);
  return lastFirst.reduce((edited, { start, end, text }) => edited.slice(0, start) + text + edited.slice(end), text);
}

/** Start and end offset of a node, without trailing blanks and comments. Every parsed node has them. */
export function rangeOf(node: Node | null | undefined): [number, number] {
  const [start, end] = node?.range ?? [Number.NaN, Number.NaN];
  return [start, end];
}

export const lineStart = (text: string, at: number) => (at === 0 ? 0 : text.lastIndexOf("\n", at - 1) + 1);

/** Start of the next line, or `at` itself if a line starts there. */
export function afterLine(text: string, at: number): number {
  if (at > 0 && text[at - 1] === "\n") return at;
  const end = text.indexOf("\n", at);
  return end < 0 ? text.length : end + 1;
}

export const endOfLine = (text: string) => (text.includes("\r\n") ? "\r\n" : "\n");

/** Start of the comments directly above the line at `at`, indented no deeper than `maxIndent`. */
export function aboveComments(text: string, at: number, maxIndent = Number.POSITIVE_INFINITY): number {
  let start = at;
  while (start > 0) {
    const above = lineStart(text, start - 1);
    const indent = commentIndent(text.slice(above, start));
    if (indent === undefined || indent > maxIndent) break;
    start = above;
  }
  return start;
}

/** End of the comments directly below that are indented deeper than `indent`: they belong to what is above them. */
export function belowComments(text: string, at: number, indent: number): number {
  let end = at;
  while (end < text.length) {
    const next = afterLine(text, end + 1);
    if ((commentIndent(text.slice(end, next)) ?? 0) <= indent) break;
    end = next;
  }
  return end;
}

const commentIndent = (line: string) => /^ *(?=#)/.exec(line)?.[0].length;

/** Inserts whole lines at the start of a line, or at the end of a text without a final line break. */
export function insertLines(text: string, at: number, lines: string): Edit {
  const eol = endOfLine(text);
  const gap = at > 0 && text[at - 1] !== "\n" ? eol : "";
  return { start: at, end: at, text: `${gap}${lines}${eol}` };
}
