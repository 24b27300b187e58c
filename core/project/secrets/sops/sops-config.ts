import { isAlias, isSeq, type Node, stringify, type YAMLMap } from "yaml";
import { UserError } from "../../../base/errors.ts";
import { exitCodes } from "../../../base/exit-codes.ts";
import {
  aboveComments,
  afterLine,
  applyEdits,
  belowComments,
  type Edit,
  endOfLine,
  insertLines,
  lineStart,
  rangeOf,
} from "../../../base/text/yaml-edit.ts";
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
 * Adds or updates this host's rule and keeps every other character: in an existing rule only the age recipients are
 * replaced, in their current format; a new rule goes before the first rule that sops would use instead.
 * @param text of `.sops.yaml`; undefined or empty gives a complete file
 * @throws UserError if the text is not a list of rules, or our rule shares parts with others
 */
export function upsertHostRule(text: string | undefined, rule: HostRule): string {
  const wanted = checkedRecipients(rule.recipients);
  if (text === undefined || text.trim() === "") {
    return `${heading}creation_rules:\n${ruleLines("  ", "\n", rule.pathRegex, wanted)}\n`;
  }
  const config = readSopsRules(text);
  const shared = anchorAround(config);
  if (shared !== undefined)
    throw refused("creation_rules", `has ${shared}, so other parts of the file may refer to it`);
  const found = ruleOf(config, rule.pathRegex);
  const edits = found ? recipientEdits(config, found, wanted) : [insertion(config, rule, wanted)];
  const result = applyEdits(text, edits);
  if (!says(result, rule.pathRegex, wanted)) throw byHand(rule.pathRegex, wanted);
  return result;
}

function recipientEdits(config: SopsRules, rule: YAMLMap, wanted: readonly string[]): Edit[] {
  const obstacle = obstacleIn(rule);
  if (obstacle !== undefined) {
    const why = `has ${obstacle}: changing it could change who can read other secrets. Write this rule out in full`;
    throw refused(`creation_rules.${config.rules.indexOf(rule)}`, why);
  }
  const [first = rule, ...others] = keyHolders(rule);
  const holders = [...new Set([first, ...others, rule])].filter((holder) => holder.has("age"));
  const edits = holders.flatMap((holder) => ageEdit(config, holder, { rule, wanted }));
  return [first, ...others].some((holder) => holder.has("age"))
    ? edits
    : [...edits, addedAge(config, first, { rule, wanted })];
}

type Wanted = { rule: YAMLMap; wanted: readonly string[] };

function ageEdit(config: SopsRules, holder: YAMLMap, { rule, wanted }: Wanted): Edit[] {
  const value = holder.get("age", true) as Node | undefined;
  const found = listOf(config, value);
  const isGroup = holder !== rule;
  const isList = isSeq(isAlias(value) ? config.anchors.get(value.source) : value);
  // In a key group, sops only accepts a list.
  if (found.length === wanted.length && isSame(found, wanted) && (isList || !isGroup)) return [];
  if (isSeq(value) && !value.flow) return [listEdit(config, value.items as Node[], wanted)];
  const [start, end] = rangeOf(value);
  const before = config.text.slice(start, end);
  const quote = /^["']/.exec(before)?.[0] ?? (rule.flow ? '"' : "");
  const after = isGroup || isSeq(value) ? `[${wanted.join(", ")}]` : quote + wanted.join(",") + quote;
  const gap = start === end && !/\s/.test(config.text.charAt(start - 1)) ? " " : "";
  return [{ start, end, text: gap + after + (before.endsWith("\n") ? endOfLine(config.text) : "") }];
}

/** Recipients that stay keep their comments above and on the line; removed ones lose theirs. */
function listEdit(config: SopsRules, items: readonly Node[], wanted: readonly string[]): Edit {
  const { text } = config;
  const missing = new Set(wanted);
  const dash = lineStart(text, rangeOf(items[0])[0]);
  const start = aboveComments(text, dash);
  let end = start;
  let kept = "";
  for (const item of items) {
    const line = text.slice(end, afterLine(text, rangeOf(item)[1]));
    end += line.length;
    if (missing.delete(textOf(config, item) ?? "")) kept += line;
  }
  const eol = endOfLine(text);
  const indent = text.slice(dash, text.indexOf("-", dash));
  const gap = kept === "" || kept.endsWith("\n") ? "" : eol;
  return { start, end, text: kept + gap + [...missing].map((each) => `${indent}- ${each}${eol}`).join("") };
}

/** Adds `age` as the first key of a rule or group without it. */
function addedAge({ text }: SopsRules, holder: YAMLMap, { rule, wanted }: Wanted): Edit {
  const [start] = rangeOf(holder);
  const age = `age: ${holder === rule ? `"${wanted.join(",")}"` : `[${wanted.join(", ")}]`}`;
  if (holder.flow) {
    return { start: start + 1, end: start + 1, text: holder.items.length > 0 ? `${age}, ` : age };
  }
  const indent = " ".repeat(start - lineStart(text, start));
  return { start, end: start, text: age + endOfLine(text) + indent };
}

/** Inserts the new rule before the first one that sops would use instead, in the format of the list. */
function insertion(config: SopsRules, { pathRegex, sample }: HostRule, wanted: readonly string[]): Edit {
  const { text, root, list, rules } = config;
  const lines = (indent: string) => ruleLines(indent, endOfLine(text), pathRegex, wanted);
  const next = rules.find((rule) => mayMatch(rule, sample));
  if (isSeq(list) && !list.flow) {
    const start = rangeOf(list)[0];
    const indent = text.slice(lineStart(text, start), start);
    const end = belowComments(text, afterLine(text, rangeOf(rules.at(-1))[1]), indent.length);
    return insertLines(text, next ? aboveRule(text, next, indent) : end, lines(indent));
  }
  if (root?.flow || rules.length > 0) return insertionInFlow(config, next, ruleInFlow(pathRegex, wanted));
  if (list === undefined) return insertLines(text, text.length, `creation_rules:${endOfLine(text)}${lines("  ")}`);
  // `creation_rules:` without a value, or with null or [], which has to be removed.
  const [start, end] = rangeOf(list);
  const lineEnd = afterLine(text, end);
  const blanks = /[ \t]*$/.exec(text.slice(0, start))?.[0].length ?? 0;
  const comment = text.slice(end, lineEnd).trim();
  const behind = (comment && ` ${comment}`) + endOfLine(text);
  return { start: start - blanks, end: lineEnd, text: behind + lines("  ") + endOfLine(text) };
}

/** The same in flow style (JSON). */
function insertionInFlow({ root, list, rules }: SopsRules, next: Node | undefined, rule: string): Edit {
  const at = (start: number, text: string) => ({ start, end: start, text });
  if (next) return at(rangeOf(next)[0], `${rule}, `);
  if (rules.length > 0) return at(rangeOf(rules.at(-1))[1], `, ${rule}`);
  const [start, end] = rangeOf(list ?? root);
  if (list) return { start, end, text: `[${rule}]` };
  return at(start + 1, `"creation_rules": [${rule}]${root && root.items.length > 0 ? ", " : ""}`);
}

function ruleInFlow(pathRegex: string, wanted: readonly string[]): string {
  return JSON.stringify({ path_regex: pathRegex, key_groups: [{ age: wanted }] });
}

function ruleLines(indent: string, eol: string, pathRegex: string, wanted: readonly string[]): string {
  const regex = stringify(pathRegex, { lineWidth: 0 }).trimEnd();
  const lines = [`- path_regex: ${regex}`, "  key_groups:", "    - age:", ...wanted.map((each) => `        - ${each}`)];
  return lines.map((line) => indent + line).join(eol);
}

/** Start of the line with the rule's dash, or of the comments directly above it. */
function aboveRule(text: string, rule: Node | undefined, indent: string): number {
  let at = lineStart(text, rangeOf(rule)[0]);
  while (at > 0 && !text.startsWith(`${indent}-`, at)) at = lineStart(text, at - 1);
  return aboveComments(text, at, indent.length);
}

/** Parses the result to verify the edit: a file with a layout we did not expect must not be written. */
function says(text: string, pathRegex: string, wanted: readonly string[]): boolean {
  try {
    const config = readSopsRules(text);
    const rule = ruleOf(config, pathRegex);
    const isAlone = rule !== undefined && (obstacleIn(rule) ?? anchorAround(config)) === undefined;
    return isAlone && isSame(recipientsIn(config, rule), wanted);
  } catch {
    return false;
  }
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
      details: ruleLines("", "\n", pathRegex, wanted).split("\n"),
    },
  );
}
