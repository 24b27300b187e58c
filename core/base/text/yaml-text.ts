import { type Document, Lexer, LineCounter, parseDocument } from "yaml";
import type { Problem } from "../problem.ts";
import { safeText } from "../wording.ts";
import { maxSettingsLength, tooLarge } from "./read-text.ts";

export interface ParsedYaml {
  document?: Document.Parsed;
  problems: Problem[];
  /** Line and column of an offset, from 1. */
  placeOf?: (offset: number) => { line: number; column: number };
}

/**
 * Parses one YAML document, keeping comments and positions. Does not resolve aliases.
 * @returns no document if something is wrong, but one problem with line and column. No line is quoted
 */
export function parseYamlText(text: string, where: string): ParsedYaml {
  const problem = (objection: Omit<Problem, "subject">) => ({ problems: [{ subject: where, ...objection }] });
  if (text.length > maxSettingsLength) return problem(tooLarge(text.length));
  if (isTooDeep(text))
    return problem({
      code: "file-unreadable",
      problem: "is nested too deeply for settings.",
      fix: "Is it the right file?",
    });
  const lineCounter = new LineCounter();
  // At "warn" the library itself prints a warning about keys that are lists.
  const document = parseDocument(text, { lineCounter, prettyErrors: false, logLevel: "error" });
  const broken = document.errors[0];
  const placeOf = (offset: number) => {
    const { line, col } = lineCounter.linePos(offset);
    return { line, column: col };
  };
  if (!broken) return { document, problems: [], placeOf };
  const { line, column } = placeOf(broken.pos[0]);
  return problem({
    code: "invalid-syntax",
    at: { file: where, line },
    problem: `not YAML: line ${line}, column ${column}: ${safeText(broken.message)}`,
  });
}

/** Far above what people write. The sum of all three is below the depth at which the parser overflows the stack. */
const limits = { flow: 40, indicatorsInLine: 40, columns: 120 };

/**
 * The parser is recursive, and a stack overflow can crash the process: V8 aborts if it compiles a regular expression
 * at that point ("RegExpCompiler Allocation failed", seen with Node 20.20 and 20,000 brackets). So the depth is checked
 * first with the lexer, which is not recursive.
 */
function isTooDeep(text: string): boolean {
  for (const line of text.split("\n")) {
    if (line.search(/[^ \t]/) > limits.columns && !/^[ \t]*#/.test(line)) return true;
    if ((line.match(/[-?:](?=[ \t])/g)?.length ?? 0) > limits.indicatorsInLine) return true;
  }
  let depth = 0;
  for (const token of new Lexer().lex(text)) {
    if (token === "[" || token === "{") depth++;
    else if (token === "]" || token === "}") depth = Math.max(0, depth - 1);
    if (depth > limits.flow) return true;
  }
  return false;
}
