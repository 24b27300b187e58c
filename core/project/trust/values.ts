import { isAlias, isMap, isNode, isPair, isScalar, isSeq, type Scalar } from "yaml";
import { parseJsonText } from "../../base/text/json-text.ts";
import { parseYamlText } from "../../base/text/yaml-text.ts";
import { parseOpenclaw } from "../bots/config.ts";

/**
 * Every value of a structured file by its path, normalized, so that the order of keys, quotes and comments do not
 * count as changes.
 * @returns undefined if the text is not plain enough for that: not parseable, or with anchors, aliases, tags or merges,
 * which programs read differently
 */
export function valuesIn(text: string, format: "json" | "openclaw" | "yaml"): Map<string, string> | undefined {
  const values = new Map<string, string>();
  try {
    if (format !== "yaml") {
      const { value, problems } = (format === "json" ? parseJsonText : parseOpenclaw)(text, "");
      if (problems.length > 0) return undefined;
      collectJson(value, "", values);
    } else {
      const { document } = parseYamlText(text, "");
      if (!document || document.directives.yaml.explicit) return undefined;
      if (document.contents) collectYaml(document.contents, "", values);
    }
    return values;
  } catch (error) {
    if (error instanceof NotPlain) return undefined;
    throw error;
  }
}

/** The paths whose values differ between two texts, sorted. */
export function changedValues(
  before: Map<string, string>,
  after: Map<string, string>,
): { path: string; before?: string; after?: string }[] {
  const paths = [...new Set([...before.keys(), ...after.keys()])].sort();
  return paths.flatMap((path) => {
    const [old, next] = [before.get(path), after.get(path)];
    if (old === next) return [];
    return [{ path, ...(old !== undefined && { before: old }), ...(next !== undefined && { after: next }) }];
  });
}

class NotPlain extends Error {}

const below = (path: string, key: string) => (path === "" ? key : `${path}.${key}`);

function collectJson(value: unknown, path: string, into: Map<string, string>): void {
  if (Array.isArray(value) && value.length > 0) {
    for (const [index, each] of value.entries()) collectJson(each, below(path, String(index)), into);
  } else if (typeof value === "object" && value !== null && Object.keys(value).length > 0) {
    for (const [key, each] of Object.entries(value)) collectJson(each, below(path, key), into);
  } else {
    into.set(path, JSON.stringify(value));
  }
}

function collectYaml(node: unknown, path: string, into: Map<string, string>): void {
  if (isAlias(node) || (isNode(node) && (node.tag !== undefined || ("anchor" in node && node.anchor))))
    throw new NotPlain();
  if (isSeq(node) && node.items.length > 0) {
    for (const [index, each] of node.items.entries()) collectYaml(each, below(path, String(index)), into);
  } else if (isMap(node) && node.items.length > 0) {
    for (const pair of node.items) {
      if (!isPair(pair) || !isScalar(pair.key) || pair.key.value === "<<") throw new NotPlain();
      collectYaml(pair.value, below(path, String(pair.key.value)), into);
    }
  } else if (isScalar(node)) {
    into.set(path, scalarText(node));
  } else {
    into.set(path, isMap(node) ? "{}" : isSeq(node) ? "[]" : "null");
  }
}

/** Text that no version of YAML reads as a boolean, number, date or null. */
const surelyText = /^(?!(?:y|n|yes|no|on|off|true|false|null|nan|inf)$)[a-z/@][^\n]*$/i;

/** Text as JSON; anything that some parser could read as a number, date or boolean stays as written. */
function scalarText({ value, source, type }: Scalar): string {
  const isPlain = type === "PLAIN";
  if (typeof value === "string" && (!isPlain || surelyText.test(value))) return JSON.stringify(value);
  return source ?? String(value);
}
