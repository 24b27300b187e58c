import {
  isCollection,
  isMap,
  isPair,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  type Scalar,
  visit,
  type YAMLMap,
} from "yaml";
import type { Problem } from "../../base/problem.ts";
import { parsePlainYaml } from "../../base/text/plain-yaml.ts";
import type { ParsedYaml } from "../../base/text/yaml-text.ts";
import { quoted } from "../../base/wording.ts";

/**
 * Limits of the Nix reader: it is recursive, one line per call, and Nix stops at a depth of about 10,000 calls. Quoted text in
 * brackets is matched with a regular expression, which overflows the stack in long texts.
 */
const limits = { lines: 2000, brackets: 10_000 };

interface Unread {
  at: number;
  problem: string;
  fix: string;
}

/**
 * Parses the YAML of a stack file, but only what Pulumi's engine and Nix read with the same values. Nix has no YAML parser,
 * so nix/lib/yaml.nix reads what Pulumi and `clawdlets init` write, and anything it cannot read is refused here.
 * @returns no document if something is wrong, but one problem with line, column and fix
 */
export function parseStackYaml(text: string, where: string): ParsedYaml {
  const parsed = parsePlainYaml(text, where);
  const { document, placeOf } = parsed;
  if (!document || !placeOf) return parsed;
  const literals: Scalar[] = [];
  const found = unreadNode(text, document, literals) ?? unreadLine(text, literals);
  if (!found) return parsed;
  const { line, column } = placeOf(found.at);
  const problem: Problem = {
    code: "invalid-syntax",
    subject: where,
    at: { file: where, line },
    problem: `Nix cannot read this file: line ${line}, column ${column}: ${found.problem}`,
    fix: found.fix,
  };
  return { problems: [problem] };
}

/** Checks the lines outside of block texts, since a text below "|" may contain anything. */
function unreadLine(text: string, literals: readonly Scalar[]): Unread | undefined {
  const below = literals.map((literal) => linesOf(text, literal));
  let settings = 0;
  let at = 0;
  for (const line of text.split("\n")) {
    const start = at;
    at += line.length + 1;
    while (below[0] && start >= below[0].end) below.shift();
    if ((below[0] && start >= below[0].first) || /^ *(#.*)?\r?$/.test(line)) continue;
    if (line.includes("\t"))
      return { at: start + line.indexOf("\t"), problem: "a tab.", fix: 'Write spaces, or "\\t" in quotes.' };
    if (/^(---|\.\.\.)(\s|$)/.test(line)) return { at: start, problem: "a document marker.", fix: "Remove the line." };
    if (++settings > limits.lines)
      return { at: start, problem: `more than ${limits.lines} lines of settings.`, fix: `Shorten the file.` };
  }
  return undefined;
}

function unreadNode(
  text: string,
  document: NonNullable<ParsedYaml["document"]>,
  literals: Scalar[],
): Unread | undefined {
  const { contents } = document;
  if (text.startsWith("\ufeff"))
    return { at: 0, problem: "a byte order mark.", fix: "Save the file as UTF-8 without it." };
  if (contents === null) return undefined;
  if (!isMap(contents) || contents.flow)
    return { at: startOf(contents), problem: "not a block mapping.", fix: "Write config: and the settings below it." };
  if (lineBefore(text, startOf(contents)) !== "")
    return { at: startOf(contents), problem: "indented.", fix: "Write it in the first column." };
  let found: Unread | undefined;
  visit(document, (key, node, path) => {
    const parent = path.at(-1);
    if (isPair(node)) found = unreadPair(text, node as Pair<Node, Node | null>, parent as YAMLMap);
    else if (isSeq(parent)) found = unreadItem(text, node as Node, parent.flow === true);
    if (isCollection(node) && node.flow) found ??= unreadFlow(text, node as YAMLMap);
    if (isScalar(node)) {
      if (node.type === "BLOCK_LITERAL") literals.push(node);
      const inFlow = path.some((each) => isCollection(each) && each.flow);
      found ??= unreadScalar(text, node, inFlow, key === "key");
    }
    return found && visit.BREAK;
  });
  return found;
}

function unreadPair(text: string, { key, value }: Pair<Node, Node | null>, map: YAMLMap): Unread | undefined {
  const at = startOf(key);
  let colon = endOf(key);
  while (text[colon] === " ") colon++;
  let before = at - 1;
  while (text[before] === " ") before--;
  const isExplicit = map.flow ? text[before] === "?" : !/^ *(- +)*$/.test(lineBefore(text, at));
  if (text[colon] !== ":" || isExplicit || !isOnOneLine(text, key))
    return { at, problem: "a key without its value on the same line.", fix: "Write key: value." };
  if (isScalar(key) && key.type === "PLAIN" && typeof key.value !== "string")
    return { at, problem: `${quoted(key.source)} as a key, which is not text.`, fix: `Put it in quotes.` };
  if (!value || isNothing(value) || isBelow(value) || isBlank(text.slice(colon + 1, startOf(value)))) return undefined;
  return { at: startOf(value), problem: "a value that does not start on the line of its key.", fix: "Write it there." };
}

function unreadItem(text: string, item: Node, inFlow: boolean): Unread | undefined {
  const at = startOf(item);
  if (isNothing(item)) return { at, problem: "an empty item.", fix: "Write null, or remove it." };
  if (inFlow)
    return isMap(item) && text[at] !== "{"
      ? { at, problem: "key: value in a list.", fix: "Write {key: value}." }
      : undefined;
  return /^ *(- +)+$/.test(lineBefore(text, at))
    ? undefined
    : { at, problem: 'an item that does not start on the line of its "-".', fix: "Write it there." };
}

function unreadFlow(text: string, flow: YAMLMap): Unread | undefined {
  const at = startOf(flow);
  if (!isOnOneLine(text, flow))
    return {
      at,
      problem: "brackets that span several lines.",
      fix: 'Write them on one line, or each item on a line after "- ".',
    };
  const end = endOf(flow);
  if (end - at > limits.brackets)
    return {
      at,
      problem: `more than ${limits.brackets} characters in brackets.`,
      fix: `Write each item on a line after "- ".`,
    };
  if (/,\s*.$/.test(text.slice(at, end)))
    return { at: end - 1, problem: "a comma after the last item.", fix: "Remove it." };
  return undefined;
}

function unreadScalar(text: string, node: Scalar, inFlow: boolean, isKey: boolean): Unread | undefined {
  const { type, source = "", value } = node;
  const at = startOf(node);
  const written = text.slice(at, endOf(node));
  if (type === "BLOCK_FOLDED")
    return { at, problem: 'a text after ">".', fix: 'Write it in quotes on one line, or after "|".' };
  if (type === "BLOCK_LITERAL") return unreadLiteral(text, node);
  if (!isOnOneLine(text, node))
    return { at, problem: "a value that spans several lines.", fix: "Write it on one line." };
  if (type === "QUOTE_DOUBLE") {
    const odd = written.match(/\\(x..|u....|U........|.)/g)?.find((each) => !isReadEscape(each));
    if (odd !== undefined) return { at, problem: `${quoted(odd)} in a text.`, fix: `Write the character itself.` };
    return undefined;
  }
  if (type !== "PLAIN") return undefined;
  if (inFlow && /["']/.test(source))
    return { at, problem: "a quote within a text in brackets.", fix: "Put the text in quotes." };
  if (source !== "" && /^([\]"'{}[,&*!|>%@`#]|[-?:]( |$))|:( |$)/.test(source))
    return { at, problem: "a value that needs quotes.", fix: "Put it in quotes." };
  if (!isKey && typeof value === "number" && !isReadNumber(source))
    return {
      at,
      problem: `${quoted(source)}, a number that is not written like 5, -5, 1.5 or 1e+30.`,
      fix: `Write it like that, or in quotes.`,
    };
  return undefined;
}

const isReadNumber = (source: string) =>
  /^-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,20})?([eE][-+]?([0-9]{1,2}|[12][0-9]{2}))?$/.test(source) &&
  !/^-0(\.0*)?([eE].*)?$/.test(source);

/** The escapes that Pulumi's engine writes; neither UTF-16 surrogates nor NUL. */
const isReadEscape = (written: string) =>
  /^\\(?:["\\abefnrtvN_LP]|x[\da-fA-F]{2}|u(?:[\da-ce-fA-CE-F][\da-fA-F]|[dD][0-7])[\da-fA-F]{2}|U00(?:0[1-9a-fA-F]|10)[\da-fA-F]{4})$/.test(
    written,
  ) && !/^\\[xu]0+$/.test(written);

function unreadLiteral(text: string, node: Scalar): Unread | undefined {
  const at = startOf(node);
  const { header, parent, depth, lines, end } = linesOf(text, node);
  if (!/^\|[1-9]?[-+]?( +#.*)?$/.test(header))
    return { at, problem: "a text after |.", fix: "Write |, |-, |+ or |2- and the text below it." };
  if (depth <= parent || lines.every(isBlank))
    return { at, problem: 'a "|" without a text below it.', fix: 'Write "".' };
  if (lines.some((line) => isBlank(line) && line.length > depth))
    return { at, problem: "a text with a line that only has spaces.", fix: "Put the text in double quotes." };
  if (end === text.length && !text.endsWith("\n"))
    return { at: text.length, problem: "no line break after the last line.", fix: "Add it." };
  return undefined;
}

const isBlank = (line: string) => /^ *$/.test(line);
const widthOf = (line: string) => line.search(/[^ ]|$/);

/** The lines below a "|" that belong to it, and their indentation. */
function linesOf(text: string, node: Scalar) {
  const at = startOf(node);
  const before = lineBefore(text, at);
  const marks = /^ *(?:- +)*/.exec(before)?.[0] ?? "";
  const parent = marks === before ? marks.lastIndexOf("-") : marks.length;
  const first = lineEnd(text, at);
  const header = withoutEnd(text.slice(at, first));
  const hint = Number(/^\|([1-9])/.exec(header)?.[1] ?? 0);
  let depth = hint > 0 ? parent + hint : undefined;
  const lines: string[] = [];
  let end = first;
  while (end < text.length) {
    const next = lineEnd(text, end);
    const line = withoutEnd(text.slice(end, next));
    if (!isBlank(line)) depth ??= widthOf(line);
    if (!isBlank(line) && widthOf(line) < (depth ?? 0)) break;
    lines.push(line);
    end = next;
  }
  return { header, parent, depth: depth ?? 0, lines, first, end };
}

const withoutEnd = (line: string) => line.replace(/\r?\n$/, "");

/** Offset of the next line. */
function lineEnd(text: string, at: number): number {
  const end = text.indexOf("\n", at);
  return end < 0 ? text.length : end + 1;
}

const isNothing = (node: Node) => isScalar(node) && node.type === "PLAIN" && node.source === "";
const isBelow = (node: Node) => isCollection(node) && !node.flow;
const startOf = (node: Node) => node.range?.[0] ?? 0;
const endOf = (node: Node) => node.range?.[1] ?? 0;
const lineBefore = (text: string, at: number) => text.slice(text.lastIndexOf("\n", at - 1) + 1, at);
const isOnOneLine = (text: string, node: Node) => !text.slice(startOf(node), endOf(node)).includes("\n");
