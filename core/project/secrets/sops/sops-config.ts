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
import { shown } from "../../../base/wording.ts";
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
  /** Found again by being exactly this. */
  pathRegex: string;
  /** Path of one of the host's files as sops sees it, e.g. `hosts/web-1/x.yaml`. */
  sample: string;
  /** Everybody who is to read the host's secrets, as `age1…`; at least one. */
  recipients: readonly string[];
}

const heading = `# Whom sops encrypts the secrets in this folder to, for clawdlets and by hand alike. Written by clawdlets, one rule a
# host; other rules, keys and comments stay as they are. sops takes the first rule that matches.
`;

/**
 * `(^|/)hosts/web-1/[^/]+\.yaml$`: the sops files of one folder.
 *
 * What sops 3.13.3 compares, as tried: it makes the file's name (or `--filename-override`) absolute by its own working
 * directory, `..` taken out, and cuts the folder of `.sops.yaml` off the front if it is there as text, links not
 * followed. So a file below that folder is `hosts/web-1/x.yaml`, any other is its absolute path: hence `(^|/)`.
 * @param folder relative to the folder of `.sops.yaml`
 */
export function hostRuleRegex(folder: string): string {
  const path = folder.replace(/^(\.{0,2}\/)+/, "").replace(/\/+$/, "");
  return `(^|/)${path.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}/[^/]+\\.yaml$`;
}

/** The age recipients that sops reads from this host's rule, each once; none without a rule. @throws UserError */
export function recipientsOfHostRule(text: string | undefined, pathRegex: string): string[] {
  if (text === undefined) return [];
  const config = readSopsRules(text);
  const rule = ruleOf(config, pathRegex);
  return rule ? recipientsIn(config, rule) : [];
}

/**
 * The text with this host's rule in it, and every other character as it was: an existing rule gets its age recipients
 * replaced in the form they have, a new one goes before the first rule that sops would take instead.
 * @param text of `.sops.yaml`; undefined or empty gives a whole file
 * @throws UserError where the text is no list of rules, or our rule shares parts with others
 */
export function upsertHostRule(text: string | undefined, rule: HostRule): string {
  const wanted = checkedRecipients(rule.recipients);
  if (text === undefined || text.trim() === "") {
    return `${heading}creation_rules:\n${ruleLines("  ", "\n", rule.pathRegex, wanted)}\n`;
  }
  const config = readSopsRules(text);
  const shared = anchorAround(config);
  if (shared !== undefined) throw refused("creation_rules", `has ${shared}, which makes it part of something else`);
  const found = ruleOf(config, rule.pathRegex);
  const edits = found ? recipientEdits(config, found, wanted) : [insertion(config, rule, wanted)];
  const result = applyEdits(text, edits);
  if (!says(result, rule.pathRegex, wanted)) throw byHand(rule.pathRegex, wanted);
  return result;
}

function recipientEdits(config: SopsRules, rule: YAMLMap, wanted: readonly string[]): Edit[] {
  const obstacle = obstacleIn(rule);
  if (obstacle !== undefined) {
    const why = `has ${obstacle}: changing it could change who reads other secrets. Write this rule out in full`;
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
  // In a group sops takes a list alone.
  if (found.length === wanted.length && isSame(found, wanted) && (isList || !isGroup)) return [];
  if (isSeq(value) && !value.flow) return [listEdit(config, value.items as Node[], wanted)];
  const [start, end] = rangeOf(value);
  const before = config.text.slice(start, end);
  const quote = /^["']/.exec(before)?.[0] ?? (rule.flow ? '"' : "");
  const after = isGroup || isSeq(value) ? `[${wanted.join(", ")}]` : quote + wanted.join(",") + quote;
  const gap = start === end && !/\s/.test(config.text.charAt(start - 1)) ? " " : "";
  return [{ start, end, text: gap + after + (before.endsWith("\n") ? endOfLine(config.text) : "") }];
}

/** Lines of recipients that stay are kept with the comments above and behind them, the others go with theirs. */
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

/** For a rule or group without age: as its first key. */
function addedAge({ text }: SopsRules, holder: YAMLMap, { rule, wanted }: Wanted): Edit {
  const [start] = rangeOf(holder);
  const age = `age: ${holder === rule ? `"${wanted.join(",")}"` : `[${wanted.join(", ")}]`}`;
  if (holder.flow) {
    return { start: start + 1, end: start + 1, text: holder.items.length > 0 ? `${age}, ` : age };
  }
  const indent = " ".repeat(start - lineStart(text, start));
  return { start, end: start, text: age + endOfLine(text) + indent };
}

/** The new rule before the first that sops would take instead, in the form that the list has. */
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
  // `creation_rules:` with nothing behind it, or with a null or [] that has to go.
  const [start, end] = rangeOf(list);
  const lineEnd = afterLine(text, end);
  const blanks = /[ \t]*$/.exec(text.slice(0, start))?.[0].length ?? 0;
  const comment = text.slice(end, lineEnd).trim();
  const behind = (comment && ` ${comment}`) + endOfLine(text);
  return { start: start - blanks, end: lineEnd, text: behind + lines("  ") + endOfLine(text) };
}

/** In brackets and braces, as in JSON. */
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

/** Start of the line with the rule's dash, or of the comments right above it. */
function aboveRule(text: string, rule: Node | undefined, indent: string): number {
  let at = lineStart(text, rangeOf(rule)[0]);
  while (at > 0 && !text.startsWith(`${indent}-`, at)) at = lineStart(text, at - 1);
  return aboveComments(text, at, indent.length);
}

/** Reads the result as the next run will: a text that was laid out in a way we did not foresee is better left alone. */
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
    const what = wrong === undefined ? "no recipient" : `the recipient "${shown(wrong, 80)}"`;
    throw new UserError(
      `A sops rule cannot name ${what}; allowed: age recipients, age1 and small letters and digits.`,
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
      fix: "Put this rule in by hand, first of all:",
    },
    {
      exitCode: exitCodes.settings,
      details: ruleLines("", "\n", pathRegex, wanted).split("\n"),
    },
  );
}
