import JSON5 from "json5";

/** A place in a text, from 1. */
export interface Place {
  line: number;
  column: number;
}

/** White space and comments; a text; a mark; a key or value without quotes. */
const token =
  /\s+|\/\/[^\n\r\u2028\u2029]*|\/\*[\s\S]*?\*\/|("(?:[^"\\]|\\[\s\S])*"|'(?:[^'\\]|\\[\s\S])*')|([{}[\]:,])|([^\s{}[\]:,'"/]+)/gy;

/**
 * Where an option stands in a text that JSON5 can parse: its key, or in a list its value. Of a key that is there twice, the last one,
 * which counts. @returns the start of the text for what is not in it
 */
export function placeOf(text: string, path: readonly string[]): Place {
  let found = 0;
  /** The key, or the number in a list, at each level. */
  const open: { key: string; isList: boolean }[] = [];
  let isKeyNext = false;
  const isWanted = () => open.length === path.length && path.every((key, level) => open[level]?.key === key);
  for (const { 0: all, 1: quoted, 2: mark, 3: bare, index } of text.matchAll(token)) {
    const here = open.at(-1);
    if (mark === "]" || mark === "}") open.pop();
    else if (mark === "," && here) {
      if (here.isList) here.key = String(Number(here.key) + 1);
      isKeyNext = !here.isList;
    } else if (mark === ":") isKeyNext = false;
    else if (isKeyNext && here && (quoted ?? bare) !== undefined) {
      here.key = keyOf(all);
      if (isWanted()) found = index;
    } else if (mark === "{" || mark === "[" || (quoted ?? bare) !== undefined) {
      if (here?.isList && isWanted()) found = index;
      if (mark === "[") open.push({ key: "0", isList: true });
      if (mark === "{") open.push({ key: "", isList: false });
      isKeyNext = mark === "{";
    }
  }
  const before = text.slice(0, found).split(/\r\n|[\n\r\u2028\u2029]/);
  return { line: before.length, column: (before.at(-1) ?? "").length + 1 };
}

/** A key as JSON5 reads it: quoted or not, with escapes. */
const keyOf = (text: string): string => Object.keys(JSON5.parse(`{${text}:0}`))[0] ?? "";
