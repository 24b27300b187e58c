import { messageOf } from "../errors.ts";
import type { Problem } from "../problem.ts";
import { settingOf } from "../problems.ts";
import { safeText } from "../wording.ts";

/** Parses JSON like JSON.parse, but reports errors with line and column, and also reports duplicate keys. */
export function parseJsonText(text: string, where: string): { value?: unknown; problems: Problem[] } {
  // Editors on Windows start files with a byte order mark, which JSON.parse does not accept.
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
      problem: "is set twice, and only the last value would count.",
      fix: "Remove one of the two.",
    }),
  );
  return problems.length > 0 ? { problems } : { value: JSON.parse(json), problems };
}

/** The error message of JSON.parse, without the text that it quotes: that could be a token. */
function syntaxErrorOf(json: string): string | undefined {
  try {
    JSON.parse(json);
    return undefined;
  } catch (error) {
    return safeText(
      /^.*?(?=, (?:\.\.\.)?"| in JSON at | after JSON at | at position |$)/s.exec(messageOf(error))?.[0] ?? "",
    );
  }
}

/** Offset of the first invalid character: everything before it could still be the start of valid JSON. */
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
    // If the text only ends too early, V8 reports no position, or one at the end.
    return message.startsWith("Unexpected end") || Number(/at position (\d+)/.exec(message)?.[1] ?? -1) >= start.length;
  }
}

function placeOf(text: string, offset: number): { line: number; column: number } {
  const lines = text.slice(0, offset).split("\n");
  return { line: lines.length, column: (lines.at(-1)?.length ?? 0) + 1 };
}

/** Upstream's `stack migrate` writes a literal backslash and n at the end of the file (regenrek/clawdlets b49d4af, stack.ts:529). */
function hint(json: string): Pick<Problem, "fix"> {
  const isOurs = /\}\\n\s*$/.test(json);
  return isOurs ? { fix: "Remove the two characters \\n at its end. An older clawdlets wrote them." } : {};
}

/** Report at most this many: a file with more is broken as a whole. */
const maxDuplicates = 10;

/** Paths of duplicate keys in valid JSON. Not recursive, since the JSON may be deeply nested. */
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
