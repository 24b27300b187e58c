import { type Document, isAlias, isScalar, isSeq, type Node, stringify, visit, type YAMLMap } from "yaml";
import { UserError } from "../../../base/errors.ts";
import { exitCodes } from "../../../base/exit-codes.ts";
import { parseJson } from "../../../base/text/json.ts";
import { safeText } from "../../../base/wording.ts";
import {
  anchorAround,
  keyHolders,
  listOf,
  mayMatch,
  obstacleIn,
  readSopsRules,
  recipientsIn,
  refused,
  ruleOf,
  type SopsRules,
  sopsConfigName,
  textOf,
} from "./sops-rules.ts";

/** The rule of one host in `.clawdlets/secrets/.sops.yaml`. */
export interface HostRule {
  /** Identifies the rule: compared as an exact string. */
  pathRegex: string;
  /** Path of one of the host's files as sops sees it, e.g. `hosts/web-1/x.yaml`. */
  sample: string;
  /** Everyone who should be able to read the host's secrets, as `age1…`; at least one. */
  recipients: readonly string[];
}

const heading = `# Who can decrypt the secrets in this folder; used by clawdlets and by sops itself. clawdlets writes one rule per host and
# keeps other rules, keys and comments unchanged. sops uses the first rule that matches.
`;

/**
 * `(^|/)hosts/web-1/[^/]+\.yaml$`: the sops files of one folder.
 *
 * How sops 3.13.3 matches (tested): it makes the file name (or `--filename-override`) absolute relative to its working
 * directory, resolves `..`, and strips the folder of `.sops.yaml` if the path starts with it textually, without following
 * links. So a file below that folder is `hosts/web-1/x.yaml`, and any other is its absolute path: hence `(^|/)`.
 * @param folder relative to the folder of `.sops.yaml`
 */
export function hostRuleRegex(folder: string): string {
  const path = folder.replace(/^(\.{0,2}\/)+/, "").replace(/\/+$/, "");
  return `(^|/)${path.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}/[^/]+\\.yaml$`;
}

/** The distinct age recipients in this host's rule; empty if there is no rule. @throws UserError */
export function recipientsOfHostRule(text: string | undefined, pathRegex: string): string[] {
  if (text === undefined) return [];
  const config = readSopsRules(text);
  const rule = ruleOf(config, pathRegex);
  return rule ? recipientsIn(config, rule) : [];
}

/**
 * Adds or updates this host's rule. In an existing rule only the age recipients are replaced, in their current format; a new rule goes
 * before the first rule that sops would use instead. Everything else keeps its content, comments and order, but is printed by the
 * YAML library: two spaces of indentation, at most one blank line, folded text and brackets on one line. JSON stays JSON.
 * @param text of `.sops.yaml`; undefined or empty gives a complete file
 * @throws UserError if the text is not a list of rules, or our rule shares parts with others
 */
export function upsertHostRule(text: string | undefined, { recipients, ...rule }: HostRule): string {
  const wanted = checkedRecipients(recipients);
  const config = readSopsRules(text === undefined || text.trim() === "" ? heading : text);
  const shared = anchorAround(config);
  if (shared !== undefined)
    throw refused("creation_rules", `has ${shared}, so other parts of the file may refer to it`);
  const found = ruleOf(config, rule.pathRegex);
  if (!found) insertRule(config, rule.sample, config.document.createNode(contentOf(rule.pathRegex, wanted)));
  else if (!setRecipients(config, found, wanted)) return config.text;
  if (hasUnusualNumber(config.document)) throw byHand(rule.pathRegex, wanted);
  return checkedResult(config, rule.pathRegex, wanted);
}

const contentOf = (pathRegex: string, wanted: readonly string[]) => ({
  path_regex: pathRegex,
  key_groups: [{ age: wanted }],
});

/** Inserts the new rule before the first one that sops would use instead. */
function insertRule({ document, root, list, rules }: SopsRules, sample: string, rule: Node): void {
  const next = rules.find((each) => mayMatch(each, sample));
  if (!isSeq(list) || rules.length === 0) {
    if (!root) document.contents = withComments(document.createNode({}), document.contents) as typeof document.contents;
    document.set("creation_rules", withComments(document.createNode([rule]), list));
  } else if (next) {
    // The library attaches the comment above the first rule to the list.
    if (next === rules[0]) {
      withComments(next, { commentBefore: list.commentBefore ?? null });
      delete list.commentBefore;
    }
    list.items.splice(rules.indexOf(next), 0, rule);
  } else list.items.push(rule);
}

/** Adds the comments of another node above this one. */
function withComments<T extends Node>(node: T, other: Partial<Node> | null | undefined): T {
  const comments = [other?.commentBefore, other?.comment, node.commentBefore].filter((each) => each);
  if (comments.length > 0) node.commentBefore = comments.join("\n");
  return node;
}

/** @returns false if the rule already has these recipients */
function setRecipients(config: SopsRules, rule: YAMLMap, wanted: readonly string[]): boolean {
  const obstacle = obstacleIn(rule);
  if (obstacle !== undefined) {
    const why = `has ${obstacle}: changing it could change who can read other secrets. Write this rule out in full`;
    throw refused(`creation_rules.${config.rules.indexOf(rule)}`, why);
  }
  const read = keyHolders(rule);
  const missing = read.some((holder) => holder.has("age")) ? [] : read.slice(0, 1);
  const holders = [...new Set([...read, rule])].filter((holder) => holder.has("age"));
  const changed = [...missing, ...holders].map((holder) => setAge(config, holder, holder !== rule, wanted));
  return changed.includes(true);
}

/**
 * Recipients that stay keep their comments; removed ones lose theirs. In a key group, sops only accepts a list.
 * @returns false if the holder already has these recipients
 */
function setAge(config: SopsRules, holder: YAMLMap, isGroup: boolean, wanted: readonly string[]): boolean {
  const value = holder.get("age", true);
  const found = listOf(config, value);
  const isList = isSeq(isAlias(value) ? config.anchors.get(value.source) : value);
  if (isSame(found, wanted) && (isList || !isGroup)) return false;
  if (isSeq(value)) {
    const added = new Set(wanted);
    const kept = value.items.filter((item) => added.delete(textOf(config, item) ?? ""));
    // The library attaches the comment above the first recipient to the list.
    if (kept[0] !== value.items[0]) delete value.commentBefore;
    value.items = [...kept, ...[...added].map((each) => config.document.createNode(each))];
  } else if (isScalar(value) && !isGroup) {
    value.value = wanted.join(",");
    if (value.type?.startsWith("BLOCK")) value.type = "PLAIN";
  } else holder.set("age", isGroup ? config.document.createNode(wanted, { flow: true }) : wanted.join(","));
  return true;
}

/** Lines are not wrapped, so that a recipient can be found with grep. */
const format = { lineWidth: 0, flowCollectionPadding: false } as const;

/** Prints the document, and reads it again: a file with a layout we did not expect must not be written. */
function checkedResult({ document, text }: SopsRules, pathRegex: string, wanted: readonly string[]): string {
  try {
    const isJson = parseJson(text) !== undefined;
    const printed = isJson ? `${JSON.stringify(document.toJS(), null, 2)}\n` : document.toString(format);
    const result =
      (text.startsWith("\uFEFF") ? "\uFEFF" : "") + printed.replaceAll("\n", text.includes("\r\n") ? "\r\n" : "\n");
    const config = readSopsRules(result);
    const rule = ruleOf(config, pathRegex);
    const isAlone = rule !== undefined && (obstacleIn(rule) ?? anchorAround(config)) === undefined;
    // A first key that begins with a byte order mark is printed without quotes, and read again without the mark.
    const losesMark = printed.startsWith("\uFEFF");
    if (isAlone && !losesMark && isSame(recipientsIn(config, rule), wanted)) return result;
  } catch {
    // E.g. an alias without an anchor.
  }
  throw byHand(pathRegex, wanted);
}

/** True for numbers that the library prints differently, e.g. 010, which is 10 to the library and 8 to sops. */
function hasUnusualNumber(document: Document): boolean {
  let found = false;
  visit(document, {
    Scalar: (_, { value, source = String(value) }) => {
      if (typeof value === "number" && String(value) !== source) found = true;
    },
  });
  return found;
}

const isSame = (found: readonly string[], wanted: readonly string[]) =>
  found.length === wanted.length && wanted.every((each) => found.includes(each));

function checkedRecipients(recipients: readonly string[]): string[] {
  const wrong = recipients.find((each) => !/^age1[0-9a-z]+$/.test(each));
  if (wrong !== undefined || recipients.length === 0) {
    const what = wrong === undefined ? "no recipient" : `the recipient "${safeText(wrong, 80)}"`;
    throw new UserError(
      `A sops rule cannot name ${what}; allowed: age recipients, which are age1 and lowercase letters and digits.`,
      {
        exitCode: exitCodes.settings,
      },
    );
  }
  return [...new Set(recipients)];
}

function byHand(pathRegex: string, wanted: readonly string[]): UserError {
  return new UserError(
    {
      subject: "",
      problem: `${sopsConfigName} is laid out in a way that cannot be changed safely.`,
      fix: "Add this rule by hand, before all others:",
    },
    {
      exitCode: exitCodes.settings,
      details: stringify([contentOf(pathRegex, wanted)], format)
        .trimEnd()
        .split("\n"),
    },
  );
}
