import { isAlias, isNode, isPair, isScalar, type Node, type Scalar, visit } from "yaml";
import type { Problem } from "../problem.ts";
import { quoted } from "../wording.ts";
import { type ParsedYaml, parseYamlText } from "./yaml-text.ts";

/**
 * Parses only YAML that all parsers read the same way (parser differential): Pulumi's engine reads the same files with Go's yaml.v3,
 * and a setting that only the engine sees would be unchecked.
 * @returns no document if something is wrong, but one problem with line and column
 * @see gopkg.in/yaml.v3 resolve.go, which follows merges and reads 010, 0b11, 1_000 and dates as YAML 1.1 does
 */
export function parsePlainYaml(text: string, where: string): ParsedYaml {
  const parsed = parseYamlText(text, where);
  if (!parsed.document || !parsed.placeOf) return parsed;
  const found = oddCharacter(text) ?? oddNode(parsed.document);
  if (!found) return parsed;
  const { line, column } = parsed.placeOf(found.at);
  const problem: Problem = {
    code: "invalid-syntax",
    subject: where,
    at: { file: where, line },
    problem: `not plain YAML: line ${line}, column ${column}: ${found.problem}`,
    fix: found.fix,
  };
  return { problems: [problem] };
}

interface Oddity {
  at: number;
  problem: string;
  fix: string;
}

function oddCharacter(text: string): Oddity | undefined {
  const directive = text.search(/^%/m);
  if (directive >= 0) return { at: directive, problem: "a directive.", fix: "Remove the line." };
  const lineEnd = text.search(/[\u0085\u2028\u2029]|\r(?!\n)/);
  if (lineEnd >= 0)
    return {
      at: lineEnd,
      problem: "a character that only some programs treat as a line break.",
      fix: "Remove it.",
    };
  const unseen = text.search(/(?!^)\ufeff|(?![\t\n\r])\p{Cc}|[\ufffe\uffff]|\p{Surrogate}/u);
  return unseen < 0
    ? undefined
    : { at: unseen, problem: "a control character.", fix: 'Remove it, or write it as "\\x1B" in quotes.' };
}

function oddNode(document: NonNullable<ParsedYaml["document"]>): Oddity | undefined {
  let found: Oddity | undefined;
  const stop = (node: Node, problem: string, fix: string) => {
    found = { at: node.range?.[0] ?? 0, problem, fix };
    return visit.BREAK;
  };
  visit(document, (_key, node) => {
    if (isPair(node)) {
      if (!isScalar(node.key)) return stop(node.key as Node, "a key that is not plain text.", "Write it out.");
      if (node.key.value === "<<" || node.key.source === "<<")
        return stop(node.key, 'a merge ("<<"), which only some programs follow.', "Write its settings out.");
      return undefined;
    }
    if (isAlias(node)) return stop(node, `an alias (*${node.source}).`, "Write the value out.");
    if (!isNode(node)) return undefined;
    if ("anchor" in node && node.anchor) return stop(node, `an anchor (&${node.anchor}).`, "Remove it.");
    if (node.tag !== undefined) return stop(node, "a tag.", "Remove it, and put text in quotes.");
    if (isScalar(node) && isReadDifferently(node))
      return stop(node, `${quoted(node.source)}, which some programs read as a different value.`, "Put it in quotes.");
    return undefined;
  });
  return found;
}

/** Dates and YAML 1.1 numbers: YAML 1.2 reads them as text, or as a different number. */
function isReadDifferently({ type, source = "" }: Scalar): boolean {
  if (type !== "PLAIN") return false;
  // Go removes the underscores from anything that starts like a number.
  const bare = source.replaceAll("_", "");
  return (
    (/^[-+.0-9].*_/.test(source) && /^[-+]?[0-9.][\da-fxo.+-]*$/i.test(bare)) ||
    /^[-+]?0[0-9]/.test(source) ||
    /^[-+]?0[bBXO]/.test(source) ||
    /^[-+]0[xo]/.test(source) ||
    /^[-+]?[0-9]{16}/.test(source) ||
    /^[-+]?\.(inf|nan)$/i.test(source) ||
    /^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}/.test(source)
  );
}
