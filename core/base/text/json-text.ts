import { messageOf } from "../errors.ts";
import type { Problem } from "../problem.ts";
import { settingOf } from "../problems.ts";
import { shown } from "../wording.ts";

/** Parses JSON as JSON.parse does, and refuses in words: with line and column, and with each key that stands twice. */
export function parseJsonText(text: string, where: string): { value?: unknown; problems: Problem[] } {
  // Editors on Windows begin a file with a byte order mark, which JSON.parse does not take.
  const json = text.replace(/^\uFEFF/, "");
  const wrong = syntaxErrorOf(json);
  if (wrong !== undefined) {
    const place = placeOf(json, firstBadOffset(json));
    return {
      problems: [
        {
          code: "invalid-syntax",
          subject: where,
          at: { file: where, line: place.line },
          problem: `not JSON: line ${place.line}, column ${place.column}: ${wrong}.`,
          ...hint(json),
        },
      ],
    };
  }
  const problems = duplicateKeys(json).map(
    (path): Problem => ({
      code: "duplicate-setting",
      subject: where,
      setting: settingOf(path),
      problem: "stands twice, and only the last would count.",
      fix: "Remove one of the two.",
    }),
  );
  return problems.length > 0 ? { problems } : { value: JSON.parse(json), problems };
}

/** What JSON.parse has against the text, without the piece of it that it quotes: that could be a token. */
function syntaxErrorOf(json: string): string | undefined {
  try {
    JSON.parse(json);
    return undefined;
  } catch (error) {
    return shown(
      /^.*?(?=, (?:\.\.\.)?"| in JSON at | after JSON at | at position |$)/s.exec(messageOf(error))?.[0] ?? "",
    );
  }
}

/** Offset of the character that cannot stand there: what comes before it could still become JSON. */
function firstBadOffset(json: string): number {
  let [good, bad] = [0, json.length + 1];
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (couldBecomeJson(json.slice(0, middle))) good = middle;
    else bad = middle;
  }
  return good;
}

function couldBecomeJson(start: string): boolean {
  try {
    JSON.parse(start);
    return true;
  } catch (error) {
    const message = messageOf(error);
    // V8 names no position where the text only ends too early, or one at its end.
    return message.startsWith("Unexpected end") || Number(/at position (\d+)/.exec(message)?.[1] ?? -1) >= start.length;
  }
}

function placeOf(text: string, offset: number): { line: number; column: number } {
  const lines = text.slice(0, offset).split("\n");
  return { line: lines.length, column: (lines.at(-1)?.length ?? 0) + 1 };
}

/** Upstream's `stack migrate` ends the file with a backslash and an n (regenrek/clawdlets b49d4af, stack.ts:529). */
function hint(json: string): Pick<Problem, "fix"> {
  const isOurs = /\}\\n\s*$/.test(json);
  return isOurs ? { fix: "Remove the two characters \\n at its end, which an older clawdlets wrote." } : {};
}

/** Enough to fix at once; a file with more is broken as a whole. */
const maxDuplicates = 10;

/** Paths of the keys that stand twice in one object of `json`, which is JSON. Without recursion: it may be deep. */
function duplicateKeys(json: string): string[][] {
  const found: string[][] = [];
  const open: { keys?: Set<string>; key?: string; isKeyNext: boolean }[] = [];
  for (const [token] of json.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],]/g)) {
    const innermost = open.at(-1);
    if (token === "{") open.push({ keys: new Set(), isKeyNext: true });
    else if (token === "[") open.push({ isKeyNext: false });
    else if (token === "}" || token === "]") open.pop();
    else if (innermost && token === ",") innermost.isKeyNext = innermost.keys !== undefined;
    else if (innermost?.isKeyNext && innermost.keys) {
      const key: unknown = JSON.parse(token);
      innermost.key = String(key);
      innermost.isKeyNext = false;
      if (innermost.keys.has(innermost.key)) found.push(open.flatMap(({ key }) => key ?? []));
      innermost.keys.add(innermost.key);
      if (found.length === maxDuplicates) break;
    }
  }
  return found;
}
