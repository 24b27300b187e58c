import { problemSentence } from "../../base/problem.ts";
import { safeText } from "../../base/wording.ts";
import { exampleHost } from "../../project/settings/example-stack.ts";
import { hostNameAllowed, hostNamePattern } from "../../project/settings/names.ts";
import { checkStackConfig } from "../../project/settings/stack-config/check.ts";
import type { StackConfig } from "../../project/settings/stack-config/stack-config.ts";
import { importBots } from "./bots.ts";
import { botSettings, botsIn } from "./fleet-bots.ts";
import { fleetRules, hostRules, topRules } from "./host-rules.ts";
import { newestSchema, type UpstreamConfig } from "./read.ts";
import { addRows, isUnset, type Leaf, leavesOf, noRows, type Outcome, type Rows } from "./rows.ts";
import { isObject } from "./values.ts";

type Settings = Partial<Record<keyof StackConfig, unknown>>;

/** What a new repository gets of upstream's, and what became of each setting. */
export interface Imported extends Rows {
  /** Relative to nothing: as it was named. */
  from: string;
  schemaVersion: number;
  /** Settings of each host, for its stack file. */
  hosts: Map<string, Settings>;
  /** Text by path in the repository. */
  files: Map<string, string>;
  /** How many settings are off or empty, and so need nothing. */
  unset: number;
  notes: string[];
}

/**
 * Carries over what upstream's clawdlets.json says of hosts and fleet: hosts become stack files, bots become folders. A value that
 * is not allowed here is reported, not carried.
 */
export function importUpstream({ file, schemaVersion, config, serverTypes, documents }: UpstreamConfig): Imported {
  const imported: Imported = {
    ...noRows(),
    from: file,
    schemaVersion,
    hosts: new Map(),
    files: new Map(),
    unset: 0,
    notes: [],
  };
  const nix = new Map<string, string[]>();
  const { hosts, fleet, ...top } = config;
  const names = Object.keys(isObject(hosts) ? hosts : {}).filter((host) => isHost(host, imported));
  for (const host of names) {
    imported.hosts.set(host, {});
    const entry = isObject(hosts) ? hosts[host] : undefined;
    for (const leaf of leavesOf(entry)) {
      if (leaf.path.join() !== modelSetting) apply(imported, nix, [host], ["hosts", host], hostRules, leaf);
    }
    const type = serverTypes.get(host);
    if (type !== undefined && imported.hosts.get(host)?.serverType === undefined) {
      const leaf = { path: ["hetzner", "serverType"], value: type };
      apply(imported, nix, [host], [".clawdlets/stack.json: hosts", host], hostRules, leaf);
    }
  }
  // Upstream has one fleet, and every host runs all of it.
  const { bots } = botsIn(fleet);
  const ofHosts = Object.entries(isObject(fleet) ? fleet : {}).filter(([key]) => !botSettings.has(key));
  for (const leaf of leavesOf({ bots, ...Object.fromEntries(ofHosts) }))
    apply(imported, nix, names, ["fleet"], fleetRules, leaf);
  const model = noteModels(imported, names, hosts, isObject(fleet) ? fleet["agentModelPrimary"] : undefined);
  const { files, ...rows } = importBots(fleet, { documents, ...(model !== undefined && { model }) });
  for (const [path, text] of files) imported.files.set(path, text);
  addRows(imported, rows);
  for (const leaf of leavesOf(top)) apply(imported, nix, names, [], topRules, leaf);
  for (const [host, lines] of nix)
    imported.files.set(`hosts/${host}.nix`, `{\n${lines.map((line) => `  ${line}\n`).join("")}}\n`);
  imported.notes.push(...notesOn(imported, schemaVersion));
  return imported;
}

function isHost(host: string, { missing }: Imported): boolean {
  const setting = `hosts.${safeText(host, 80)}`;
  if (!hostNamePattern.test(host))
    missing.push({ setting, note: `Not a host name here; allowed: ${hostNameAllowed}.` });
  else if (host === exampleHost) missing.push({ setting, note: "The example stack has this name. Rename the host." });
  else return true;
  return false;
}

const modelSetting = "agentModelPrimary";

/** The bots' model, which upstream had for each host. The fleet's wins; a bot has one folder for all of its hosts. */
function noteModels(
  imported: Imported,
  names: readonly string[],
  hosts: unknown,
  ofFleet: unknown,
): string | undefined {
  const models = names.map((host) => [host, Object(Object(hosts)[host])[modelSetting]] as const);
  const given = models.filter((entry): entry is [string, string] => typeof entry[1] === "string" && entry[1] !== "");
  const model = typeof ofFleet === "string" && ofFleet !== "" ? ofFleet : given[0]?.[1];
  for (const [host, each] of given) {
    const setting = `hosts.${host}.${modelSetting}`;
    const to = "agents.defaults.model.primary";
    if (each === model) imported.renamed.push({ setting, to });
    else imported.byHand.push({ setting, to, note: `The bots have ${safeText(model ?? "", 80)}, on every host.` });
  }
  return model;
}

function apply(
  imported: Imported,
  nix: Map<string, string[]>,
  hosts: readonly string[],
  above: readonly string[],
  rules: Readonly<Record<string, (value: unknown) => Outcome>>,
  { path, value }: Leaf,
): void {
  const setting = safeText([...above, ...path].join("."), 200);
  if (setting === "schemaVersion") return;
  if (isUnset({ path, value })) {
    imported.unset++;
    return;
  }
  const outcome = ruleFor(rules, path)?.(value);
  if (!outcome) imported.missing.push({ setting, note: "Not known here." });
  else if ("no" in outcome) imported.missing.push({ setting, note: outcome.no });
  else if ("by" in outcome) imported.byHand.push({ setting, to: outcome.by, note: outcome.note });
  else if ("nix" in outcome) {
    for (const host of hosts) nix.set(host, [...(nix.get(host) ?? []), outcome.nix]);
    imported.renamed.push({ setting, to: outcome.name, ...noted(outcome.note) });
  } else carry(imported, hosts, setting, path, outcome);
}

function carry(
  imported: Imported,
  hosts: readonly string[],
  setting: string,
  path: readonly string[],
  { set, name, note }: Extract<Outcome, { set: unknown }>,
): void {
  const objection = objectionTo(set);
  if (objection !== undefined) {
    imported.missing.push({ setting, to: name, note: `Not carried: ${objection}` });
    return;
  }
  for (const host of hosts) {
    const before = imported.hosts.get(host) ?? {};
    imported.hosts.set(host, merged(before, set));
  }
  const isSame = name === `clawdlets:${path.at(-1)}`;
  imported[isSame ? "carried" : "renamed"].push({ setting, to: name, ...noted(note) });
}

/** Keys of the host and those of the fleet are all admin's. */
function merged(before: Settings, set: Settings): Settings {
  const [keys, more] = [before.adminSshKeys, set.adminSshKeys];
  if (!Array.isArray(keys) || !Array.isArray(more)) return { ...before, ...set };
  return { ...before, adminSshKeys: [...new Set([...keys, ...more])] };
}

/** What the stack file's schema says against settings, without quoting more than it does. */
function objectionTo(set: Settings): string | undefined {
  const { problems } = checkStackConfig(set, "");
  const found = problems.find(
    ({ code, setting = "" }) => code !== "missing-setting" && setting.startsWith("clawdlets:"),
  );
  return found && problemSentence(found);
}

const noted = (note: string | undefined) => (note === undefined ? {} : { note });

/** An exact path first, then one with `*`, then the longest with `**`. */
function ruleFor(rules: Readonly<Record<string, (value: unknown) => Outcome>>, path: readonly string[]) {
  const candidates = [
    path.join("."),
    [...path.slice(0, -1), "*"].join("."),
    ...path.map((_, index) => [...path.slice(0, path.length - 1 - index), "**"].join(".")),
  ];
  const found = candidates.find((each) => Object.hasOwn(rules, each));
  return found === undefined ? undefined : rules[found];
}

function notesOn({ hosts }: Imported, schemaVersion: number): string[] {
  return [
    ...(schemaVersion > newestSchema
      ? [
          `schema ${schemaVersion} is newer than ${newestSchema}, the newest that is known here; unknown settings are listed`,
        ]
      : []),
    ...(hosts.size > 0
      ? ["upstream's Nix files are not read, and .clawdlets/ is not copied: docs/migration.md says how to go on"]
      : []),
  ];
}
