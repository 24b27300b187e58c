import { type Document, isAlias, isMap, isPair, isScalar, isSeq, type Node, visit, type YAMLMap } from "yaml";
import { SettingsError } from "../../../base/errors.ts";
import { parseYamlText } from "../../../base/text/yaml-text.ts";
import { safeText } from "../../../base/wording.ts";

/** The file's name in messages. */
export const sopsConfigName = ".clawdlets/secrets/.sops.yaml";

/** A parsed `.sops.yaml`, as nodes with their positions in the text. */
export interface SopsRules {
  text: string;
  document: Document;
  /** The whole file; undefined if it only has comments. */
  root: YAMLMap | undefined;
  /** The value of `creation_rules`, if set. */
  list: Node | undefined;
  /** Mappings or aliases. An alias is never resolved for editing, since its target belongs to other rules. */
  rules: Node[];
  /** Targets of aliases, by anchor. */
  anchors: ReadonlyMap<string, Node>;
}

/** @throws SettingsError if the text is not YAML, or not a list of rules */
export function readSopsRules(text: string): SopsRules {
  const { document, problems } = parseYamlText(text, sopsConfigName);
  if (!document) throw new SettingsError(problems);
  const contents: unknown = document.contents;
  const root = isMap(contents) ? contents : undefined;
  if (contents !== null && !root && !isNothing(contents)) {
    throw refused(undefined, "is not a mapping; allowed: creation_rules: with a list of rules");
  }
  const list = root?.get("creation_rules", true) as Node | undefined;
  if (list !== undefined && !isSeq(list) && !isNothing(list)) {
    throw refused("creation_rules", "is not a list; allowed: one rule after another, each beginning with -");
  }
  const rules = isSeq(list) ? (list.items as Node[]) : [];
  for (const [index, rule] of rules.entries()) {
    if (!isMap(rule) && !isAlias(rule)) {
      throw refused(`creation_rules.${index}`, "is not a mapping; allowed: path_regex with the keys for it");
    }
  }
  const anchors = new Map<string, Node>();
  visit(document, {
    Value: (_, node) => {
      if (node.anchor) anchors.set(node.anchor, node);
    },
  });
  return { text, document, root, list, rules, anchors };
}

const isNothing = (node: unknown) => isScalar(node) && node.value === null;

/** The rule with exactly this regex; of two, sops uses the first. */
export function ruleOf({ rules }: SopsRules, pathRegex: string): YAMLMap | undefined {
  return rules.find((rule): rule is YAMLMap => isMap(rule) && rule.get("path_regex") === pathRegex);
}

/** The key groups of a rule, including merged ones. */
function groupsIn(list: unknown): YAMLMap[] {
  const maps = isSeq(list) ? list.items.filter((group) => isMap(group)) : [];
  return maps.flatMap((group) => [group, ...groupsIn(group.get("merge", true))]);
}

/** The parts of a rule that sops reads keys from. It ignores `age` of the rule itself if there are key groups (tested). */
export function keyHolders(rule: YAMLMap): YAMLMap[] {
  const groups = groupsIn(rule.get("key_groups", true));
  return groups.length > 0 ? groups : [rule];
}

export function recipientsIn(config: SopsRules, rule: YAMLMap): string[] {
  return [...new Set(keyHolders(rule).flatMap((holder) => listOf(config, holder.get("age", true))))];
}

/** Recipients as a list or comma-separated text. Aliases are resolved one level deep only (alias expansion bombs). */
export function listOf(config: SopsRules, node: unknown): string[] {
  const target = isAlias(node) ? config.anchors.get(node.source) : node;
  if (isSeq(target)) return target.items.flatMap((item) => textOf(config, item) ?? []);
  const text = textOf(config, target);
  return text === undefined ? [] : text.split(",").flatMap((each) => each.trim() || []);
}

export function textOf({ anchors }: SopsRules, node: unknown): string | undefined {
  const target = isAlias(node) ? anchors.get(node.source) : node;
  return isScalar(target) && typeof target.value === "string" ? target.value.trim() : undefined;
}

/** An anchor on the whole list: changing a rule would also change whatever refers to it. */
export function anchorAround({ document, list }: SopsRules): string | undefined {
  const anchor = [document.contents, list].flatMap((node) => (isAlias(node) ? [] : (node?.anchor ?? [])))[0];
  return anchor === undefined ? undefined : anchorName(anchor);
}

const anchorName = (anchor: string) => `the anchor &${safeText(anchor, 80)}`;

/** The anchor, alias or merge key through which a rule shares parts with others, so that it cannot be changed alone. */
export function obstacleIn(rule: YAMLMap): string | undefined {
  let found: string | undefined;
  visit(rule, {
    Value: (_, node) => {
      if (node.anchor) found ??= anchorName(node.anchor);
    },
    Pair: (_, pair) => {
      if (keyOf(pair) === "<<") found ??= "a merge key (<<)";
    },
    Alias: (_, node, path) => {
      const key = keyOf(path.findLast((parent) => isPair(parent)));
      if (key === "key_groups" || key === "merge") found ??= `the alias *${safeText(node.source, 80)}`;
    },
  });
  return found;
}

const keyOf = (pair: unknown) => (isPair(pair) && isScalar(pair.key) ? pair.key.value : undefined);

/**
 * True if sops might use this rule for `sample`: it uses the first rule whose regex matches, and a rule without a regex matches
 * everything. sops uses Go regexes. With the flag "u", JavaScript refuses what means something else in Go, such as [[:alpha:]]
 * or \A; it accepts lookaheads and backreferences, which Go does not. Anything uncertain counts as a match.
 */
export function mayMatch(rule: Node, sample: string): boolean {
  const regex = isMap(rule) ? rule.get("path_regex") : undefined;
  if (regex === undefined || regex === null || isAlias(regex) || /\(\?[=!<]|\\[1-9k]/.test(String(regex))) return true;
  try {
    return new RegExp(String(regex), "u").test(sample);
  } catch {
    return true;
  }
}

/** @param setting undefined for the whole file */
export const refused = (setting: string | undefined, problem: string) =>
  new SettingsError([
    {
      code: "file-invalid",
      subject: sopsConfigName,
      ...(setting !== undefined && { setting }),
      problem: `${problem}.`,
      fix: "Fix it by hand.",
    },
  ]);
