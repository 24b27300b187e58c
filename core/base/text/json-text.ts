import { type JSONVisitor, type ParseErrorCode, printParseErrorCode, visit } from "jsonc-parser";
import type { Problem } from "../problem.ts";
import { settingOf } from "../problems.ts";

/**
 * Parses JSON as JSON.parse does, but reports syntax errors with line and column, and duplicate keys as errors. Messages never quote
 * the text: it could be a token.
 */
export function parseJsonText(text: string, where: string): { value?: unknown; problems: Problem[] } {
  // Editors on Windows start files with a byte order mark, which JSON.parse does not accept.
  const json = text.replace(/^\uFEFF/, "");
  const found = inspect(json);
  if (found.isTooDeep) {
    const problem = `is nested more than ${maxDepth} levels deep.`;
    return { problems: [{ code: "file-unreadable", subject: where, problem, fix: "Is it the right file?" }] };
  }
  const parsed = parse(json);
  if (!parsed) {
    const { line, column, reason } = found.error ?? { line: 1, column: 1, reason: "this is not JSON" };
    const problem = `not JSON: line ${line}, column ${column}: ${reason}.`;
    return {
      problems: [{ code: "invalid-syntax", subject: where, at: { file: where, line }, problem, ...hint(json) }],
    };
  }
  const problems = found.duplicates.map(
    (path): Problem => ({
      code: "duplicate-setting",
      subject: where,
      setting: settingOf(path),
      problem: "is set twice, and only the last value would count.",
      fix: "Remove one of the two.",
    }),
  );
  return problems.length > 0 ? { problems } : { value: parsed.value, problems };
}

/** JSON.parse decides what is valid; jsonc-parser only explains it. */
function parse(json: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(json) };
  } catch {
    return undefined; // Its message quotes the text.
  }
}

/** Far above any settings, and far below the depth at which jsonc-parser, which is recursive, overflows the stack. */
const maxDepth = 200;

/** Report at most this many: a file with more is broken as a whole. */
const maxDuplicates = 10;

interface Findings {
  /** The first syntax error; line and column count from 1. */
  error?: { line: number; column: number; reason: string };
  /** Path of each key that its object already has. */
  duplicates: (string | number)[][];
  isTooDeep?: true;
}

function inspect(json: string): Findings {
  const found: Findings = { duplicates: [] };
  /** The keys of each enclosing object so far; undefined for an array. */
  const open: (Set<string> | undefined)[] = [];
  const enter = (keys?: Set<string>) => {
    if (open.push(keys) > maxDepth) throw new TooDeep();
  };
  const visitor: JSONVisitor = {
    onObjectBegin: () => enter(new Set()),
    onObjectEnd: () => void open.pop(),
    onArrayBegin: () => enter(),
    onArrayEnd: () => void open.pop(),
    onObjectProperty: (key, _offset, _length, _line, _column, parent) => {
      const keys = open.at(-1);
      if (keys?.has(key) && found.duplicates.length < maxDuplicates) found.duplicates.push([...parent(), key]);
      keys?.add(key);
    },
    onError: (code, offset, _length, line, column) => {
      const context = { isInObject: open.at(-1) !== undefined, before: json.slice(0, offset) };
      found.error ??= { line: line + 1, column: column + 1, reason: reasonFor(code, context) };
    },
  };
  try {
    visit(json, visitor, { disallowComments: true });
  } catch (error) {
    if (!(error instanceof TooDeep)) throw error;
    found.isTooDeep = true;
  }
  return found;
}

/** Ends the visit, which otherwise continues to the deepest level. */
class TooDeep extends Error {}

/** Why the text is not JSON. @param before the text in front of the error */
function reasonFor(code: ParseErrorCode, { isInObject, before }: { isInObject: boolean; before: string }): string {
  const name = printParseErrorCode(code);
  if (name === "CommaExpected") return `a comma or closing ${isInObject ? "brace" : "bracket"} is missing`;
  const reason = reasons[name] ?? "this is not JSON";
  const isAfterComma = /^(?:Value|PropertyName)Expected$/.test(name) && before.trimEnd().endsWith(",");
  return isAfterComma ? `${reason}, or the comma before it is one too many` : reason;
}

const reasons: Readonly<Record<string, string>> = {
  InvalidSymbol: "unexpected characters; text needs double quotes",
  PropertyNameExpected: "a key in double quotes is missing",
  ValueExpected: "a value is missing",
  ColonExpected: "a colon is missing",
  CloseBraceExpected: "a closing brace is missing",
  CloseBracketExpected: "a closing bracket is missing",
  EndOfFileExpected: "unexpected characters after the end of the JSON value",
  InvalidCommentToken: "JSON does not allow comments",
  UnexpectedEndOfString: "the closing quote of this text is missing",
  UnexpectedEndOfNumber: "this number is incomplete",
  InvalidUnicode: "this text has a \\u without four hexadecimal digits",
  InvalidEscapeCharacter: "this text has a backslash in front of a character that JSON does not escape",
  InvalidCharacter: "this text has a control character, which JSON writes as an escape such as \\t",
};

/** Upstream's `stack migrate` writes a literal backslash and n at the end of the file (regenrek/clawdlets b49d4af, stack.ts:529). */
function hint(json: string): Pick<Problem, "fix"> {
  const isOurs = /\}\\n\s*$/.test(json);
  return isOurs ? { fix: "Remove the two characters \\n at its end. An older clawdlets wrote them." } : {};
}
