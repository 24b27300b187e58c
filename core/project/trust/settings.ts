import { containsCidr } from "cidr-tools";
import type { InboundRule } from "../firewall/firewall-rules.ts";
import { checkStackConfig } from "../settings/stack-config/check.ts";
import { configNamespace, type StackConfig } from "../settings/stack-config/stack-config.ts";
import { stackTextSettings } from "../settings/stack-file.ts";
import { type Difference, spelled } from "./difference.ts";
import { changedValues, valuesIn } from "./values.ts";

/** Path of every setting of a stack file, including those in `install` and `rebuild`. */
export type SettingPath = Paths<StackConfig>;

type Paths<T> = {
  [K in keyof T & string]-?: NonNullable<T[K]> extends string | number | boolean | readonly unknown[]
    ? K
    : `${K}.${Paths<NonNullable<T[K]>>}`;
}[keyof T & string];

interface SettingClass<T = never> {
  /** True if a person has to approve the change; a function if that depends on the values. */
  dangerous: boolean | ((before: T, after: T) => boolean);
  /** Maps equal values to the same result. @default their JSON */
  same?: (value: T) => unknown;
}

type ValueAt<T, P extends string> = P extends `${infer K}.${infer Rest}`
  ? K extends keyof T
    ? ValueAt<NonNullable<T[K]>, Rest>
    : never
  : P extends keyof T
    ? NonNullable<T[P]>
    : never;

const trust = { dangerous: true } as const;
const change = { dangerous: false } as const;
const names = { dangerous: false, same: (list: readonly string[]) => [...list].sort() } as const;
/** Type and blob of a public key, without its comment. */
const keyOf = (line: string) => line.split(" ").slice(0, 2).join(" ");

/**
 * What a change to each setting means. The compiler requires an entry for every setting of the schema; anything else is
 * dangerous.
 */
export const settingClasses: { readonly [P in SettingPath]: SettingClass<ValueAt<StackConfig, P>> } = {
  serverType: change,
  serverTypes: change,
  location: { dangerous: false, same: (place) => (Array.isArray(place) ? [...place].sort() : place) },
  ipv4Enabled: change,
  image: trust,
  flake: trust,
  flakeHost: trust,
  sshExposure: { dangerous: (_, after) => after !== "tailnet" },
  firewallRules: {
    dangerous: (before, after) => after.some((rule) => !isCovered(rule, before)),
    same: (rules) =>
      rules.map(({ sourceIps, ...rule }) => ordered({ ...rule, sourceIps: [...sourceIps].sort() })).sort(),
  },
  tailnet: trust,
  // Who runs the control server decides who is in the tailnet, and its rules are by tag.
  tailnetLoginServer: trust,
  tailnetTags: { dangerous: true, same: (tags) => [...tags].sort() },
  ageRecipient: trust,
  sshHostKey: { dangerous: true, same: keyOf },
  systemKeys: { dangerous: true, same: (keys) => [...keys].sort() },
  adminSshKeys: { dangerous: true, same: (keys) => keys.map(keyOf).sort() },
  bots: names,
  secrets: names,
  tags: names,
  reinstall: trust,
  protect: { dangerous: (_, after) => !after },
  "install.disk": trust,
  "install.buildOn": change,
  "install.kexec": trust,
  "install.substituters": trust,
  "install.trustedPublicKeys": trust,
  "install.options": trust,
  "install.mode": trust,
  "install.deadlines.kexec": change,
  "install.deadlines.install": change,
  "install.deadlines.reboot": change,
  // How long TCP/22 may stay open.
  "install.deadlines.window": { dangerous: (before, after) => after > before },
  "rebuild.enabled": change,
  // A builder can hand over any output: it is root on the host.
  "rebuild.buildOn": { dangerous: (_, after) => after.startsWith("ssh:") },
  "rebuild.builderKey": { dangerous: true, same: keyOf },
  "rebuild.source": change,
  // Who can push there is root on the host.
  "rebuild.repository": trust,
  "rebuild.branch": trust,
  // A branch can move without any change in this repository.
  "rebuild.onUp": { dangerous: (_, after) => after === "newest" },
  "rebuild.deadline": change,
  "rebuild.maxAgeDays": change,
  // Who has the repository has every bot's files, encrypted; and from there files come back.
  "backups.repository": trust,
  "backups.addresses": trust,
  "backups.hostKey": { dangerous: true, same: keyOf },
  "backups.region": change,
  "backups.schedule": change,
  "backups.randomDelay": change,
  "backups.checkSchedule": change,
  // Fewer are deleted at the next run.
  "backups.keep.daily": { dangerous: (before, after) => after < before },
  "backups.keep.weekly": { dangerous: (before, after) => after < before },
  "backups.keep.monthly": { dangerous: (before, after) => after < before },
  "backups.exclude": change,
  "backups.skip": names,
  "backups.maxAgeHours": change,
};

const ordered = (value: object) => JSON.stringify(Object.fromEntries(Object.entries(value).sort()));

/** True if the previous rules already allowed everything that this one allows. */
function isCovered(rule: InboundRule, before: readonly InboundRule[]): boolean {
  const networks = before.filter((each) => coversPorts(each, rule)).flatMap(({ sourceIps }) => sourceIps);
  return networks.length > 0 && rule.sourceIps.every((network) => containsCidr(networks, network));
}

function coversPorts(outer: InboundRule, inner: InboundRule): boolean {
  if (outer.protocol !== inner.protocol) return false;
  const [a, b] = [portsOf(outer), portsOf(inner)];
  return a.first <= b.first && b.last <= a.last;
}

function portsOf(rule: InboundRule): { first: number; last: number } {
  if (!("port" in rule) || rule.port === "any") return { first: 1, last: 65535 };
  const [first = 0, last = first] = rule.port.split("-").map(Number);
  return { first, last };
}

/**
 * The differences between two versions of one stack file.
 * @param before undefined for a new host, which is compared with the defaults; its required settings are listed as harmless
 */
export function changedSettings(host: string, file: string, before: string | undefined, after: string): Difference[] {
  if (before === after) return [];
  const [old, next] = [
    before === undefined ? new Map<string, string>() : valuesIn(before, "yaml"),
    valuesIn(after, "yaml"),
  ];
  if (!old || !next) return [{ file, dangerous: true, why: "cannot be compared setting by setting" }];
  return [...ownSettings(host, file, before, after), ...otherValues(file, old, next, before === undefined)];
}

/** Compares our settings by meaning: a default that is written out equals a missing setting. */
function ownSettings(host: string, file: string, before: string | undefined, after: string): Difference[] {
  const next = checkStackConfig(rawSettings(after), file).value;
  const old = before === undefined ? next && onlyRequired(next) : checkStackConfig(rawSettings(before), file).value;
  // If one of the two is invalid, compare the raw values.
  const isChecked = old !== undefined && next !== undefined;
  const [from, to] = isChecked
    ? [settingsOf(old, host), settingsOf(next, host)]
    : [new Map(Object.entries(rawSettings(before ?? ""))), new Map(Object.entries(rawSettings(after)))];
  const found: Difference[] = [];
  for (const path of [...new Set([...from.keys(), ...to.keys()])].sort()) {
    const [a, b] = [from.get(path), to.get(path)];
    const known = isChecked ? classOf(path) : undefined;
    if (comparable(known, a) === comparable(known, b)) continue;
    found.push({
      file,
      setting: `${configNamespace}:${path}`,
      ...(a !== undefined && { before: spelled(a) }),
      ...(b !== undefined && { after: spelled(b) }),
      dangerous: isDangerous(known, a, b),
    });
  }
  if (before === undefined && next) found.unshift(...requiredOnes(file, next));
  return found;
}

const rawSettings = (text: string) => stackTextSettings(text, "").value ?? {};

const required = ["serverType", "ageRecipient", "sshHostKey", "adminSshKeys"] as const;

const onlyRequired = (value: StackConfig) =>
  checkStackConfig(Object.fromEntries(required.map((key) => [key, value[key]])), "").value;

const requiredOnes = (file: string, value: StackConfig): Difference[] =>
  required.map((key) => ({
    file,
    setting: `${configNamespace}:${key}`,
    after: spelled(value[key]),
    dangerous: false,
  }));

/** Settings by path, with defaults. */
function settingsOf(config: StackConfig, host: string): Map<string, unknown> {
  const settings = new Map<string, unknown>();
  const collect = (value: object, path: string) => {
    for (const [key, each] of Object.entries(value)) {
      const at = path === "" ? key : `${path}.${key}`;
      const isGroup = typeof each === "object" && each !== null && !Array.isArray(each) && classOf(at) === undefined;
      if (isGroup) collect(each, at);
      else if (each !== undefined) settings.set(at, each);
    }
  };
  collect({ ...config, flakeHost: config.flakeHost ?? host }, "");
  return settings;
}

type AnyClass = SettingClass<unknown>;

const classOf = (path: string): AnyClass | undefined =>
  Object.hasOwn(settingClasses, path) ? (settingClasses[path as SettingPath] as AnyClass) : undefined;

/** Checked values have the types that the table's functions expect. A missing value differs from all others. */
function comparable(known: AnyClass | undefined, value: unknown): string {
  if (value === undefined) return "";
  return JSON.stringify(known?.same ? known.same(value) : value);
}

function isDangerous(known: AnyClass | undefined, before: unknown, after: unknown): boolean {
  if (!known) return true;
  if (typeof known.dangerous === "boolean") return known.dangerous;
  return before === undefined || after === undefined || known.dangerous(before, after);
}

/** Settings of other namespaces, and the engine's own entries: how it encrypts, and what it imports. */
function otherValues(file: string, old: Map<string, string>, next: Map<string, string>, isNew: boolean): Difference[] {
  const prefix = `config.${configNamespace}:`;
  return changedValues(old, next)
    .filter(({ path }) => !path.startsWith(prefix) && path !== "config")
    .map(({ path, before, after }) => ({
      file,
      setting: path.replace(/^config\./, ""),
      ...(before !== undefined && { before: spelled(before) }),
      ...(after !== undefined && { after: spelled(after) }),
      // The engine adds the salt with the first secret of a stack.
      dangerous: !(path === "encryptionsalt" && (isNew || before === undefined)),
    }));
}
