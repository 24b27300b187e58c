import { safeText } from "../../base/wording.ts";
import { secretOption } from "../../project/lint/secrets.ts";
import { secretKindsIn } from "../../project/secrets/token-shapes.ts";
import type { Rows } from "./rows.ts";
import { isObject, mergedInto } from "./values.ts";

/** A bot as it takes shape. */
export interface Draft {
  bot: string;
  rows: Rows;
  config: Record<string, unknown>;
  /** For secrets.json: names of secrets, by variable. */
  secretNames: Record<string, string>;
}

/** One setting of a profile: its path in upstream's file, and its value. */
type Handler = (draft: Draft, setting: string, value: unknown) => void;

/** As Nix evaluates an option that nobody sets. */
const isUnset = (value: unknown) =>
  value === null || (isObject(value) && Object.values(value).every((each) => each === null));

const nixOnly =
  (option: string): Handler =>
  ({ bot, rows }, setting, value) => {
    if (!isUnset(value))
      rows.byHand.push({ setting, to: `clawdlets.bots.${bot}.${option}`, note: "In hosts/<host>.nix." });
  };
const gone =
  (note: string): Handler =>
  ({ rows }, setting, value) => {
    if (!isUnset(value)) rows.missing.push({ setting, note });
  };

/** What each part of `botProfiles.<bot>` becomes. @see regenrek/clawdlets b49d4af, clawdbot-fleet/options.nix */
const handlers: Readonly<Record<string, Handler>> = {
  skipBootstrap: (draft, setting, value) => {
    if (value === null) return;
    mergedInto(draft.config, { agents: { defaults: { skipBootstrap: value } } });
    draft.rows.renamed.push({ setting, to: "agents.defaults.skipBootstrap" });
  },
  env: (draft, setting, value) => {
    for (const [key, each] of Object.entries(Object(value))) {
      if (isSecret(key, each)) refuseSecret(draft, `${setting}.${key}`);
      else {
        mergedInto(draft.config, { env: { vars: { [key]: each } } });
        draft.rows.renamed.push({ setting: `${setting}.${key}`, to: `env.vars.${key}` });
      }
    }
  },
  envSecrets: (draft, setting, value) => {
    for (const [variable, secret] of Object.entries(Object(value))) {
      nameSecret(draft, variable, secret);
      draft.rows.renamed.push({ setting: `${setting}.${variable}`, to: `bots/${draft.bot}/secrets.json` });
    }
  },
  skills: (draft, setting, value) => skillsInto(draft, setting, Object(value)),
  hooks: (draft, setting, value) => {
    const { enabled, config, tokenSecret, gmailPushTokenSecret, ...others } = Object(value) as Record<string, unknown>;
    const hooks: Record<string, unknown> = isObject(config) ? structuredClone(config) : {};
    if (typeof enabled === "boolean") hooks["enabled"] = enabled;
    if (typeof tokenSecret === "string") hooks["token"] = reference(draft, tokenSecret);
    if (typeof gmailPushTokenSecret === "string") {
      mergedInto(hooks, { gmail: { pushToken: reference(draft, gmailPushTokenSecret) } });
    }
    if (Object.keys(hooks).length > 0) {
      mergedInto(draft.config, { hooks });
      draft.rows.renamed.push({ setting, to: "hooks" });
    }
    unknown(draft, setting, others);
  },
  secretEnvAllowlist: ({ bot, rows }, setting) => {
    rows.renamed.push({ setting, to: `bots/${bot}/secrets.json`, note: "Only the variables that it allows." });
  },
  secretFiles: nixOnly("secrets"),
  passthrough: laidOver,
  clawdbot: laidOver,
  clf: gone("Has no orchestrator: a host has the bots that its stack file lists."),
  gatewayPort: nixOnly("port"),
  resources: nixOnly("resources"),
  hardening: nixOnly("nodeExecMem"),
  workspace: gone("The workspace is /srv/clawdbot/<bot>/workspace; its documents are bots/<bot>/workspace/*.md."),
  github: gone("No tokens of GitHub Apps are made here. A token can be a secret like any other."),
};
// Other names of the same.
const alias: Readonly<Record<string, string>> = { secretEnv: "envSecrets" };
const isLast = (key: string) => key === "passthrough" || key === "clawdbot";

/** OpenClaw's own options, over everything else. Channels that they switch on need their plugins. */
function laidOver(draft: Draft, setting: string, value: unknown): void {
  if (!isObject(value) || Object.keys(value).length === 0) return;
  mergedInto(draft.config, withoutSecrets(draft, setting, value));
  draft.rows.carried.push({ setting, to: `bots/${draft.bot}/openclaw.json`, note: "Laid over everything else." });
  const channels = Object.keys(Object(value["channels"])).filter((channel) => channel !== "defaults");
  const { allow } = Object(draft.config["plugins"]) as { allow?: unknown };
  if (isObject(value["plugins"]) || !Array.isArray(allow)) return;
  mergedInto(draft.config, { plugins: { allow: [...new Set([...channels, ...allow])] } });
}

/** A copy. Secrets that are written out are reported, not copied: the file is public. */
function withoutSecrets(draft: Draft, setting: string, value: Record<string, unknown>): Record<string, unknown> {
  const copied = (at: string, key: string, each: unknown): unknown => {
    if (Array.isArray(each)) return each.map((item) => copied(at, key, item)).filter((item) => item !== undefined);
    if (isObject(each)) return withoutSecrets(draft, at, each);
    if (typeof each !== "string" || each === "" || each.includes("${") || !isSecret(key, each)) return each;
    refuseSecret(draft, at);
    return undefined;
  };
  const made: Record<string, unknown> = {};
  for (const [key, each] of Object.entries(value)) {
    const copy = copied(`${setting}.${safeText(key, 80)}`, key, each);
    if (copy !== undefined) mergedInto(made, { [key]: copy });
  }
  return made;
}

/** Takes over what upstream's options say of one bot. */
export function profileInto(draft: Draft, setting: string, profile: Record<string, unknown>): void {
  // The rest is laid over what the others made.
  const entries = Object.entries(profile).sort(([a], [b]) => Number(isLast(a)) - Number(isLast(b)));
  for (const [key, value] of entries) {
    const name = Object.hasOwn(alias, key) ? (alias[key] ?? key) : key;
    const handler = Object.hasOwn(handlers, name) ? handlers[name] : undefined;
    if (handler) handler(draft, `${setting}.${key}`, value);
    else unknown(draft, setting, { [key]: value });
  }
}

function skillsInto(draft: Draft, setting: string, skills: Record<string, unknown>): void {
  const { allowBundled, load, entries, ...others } = skills;
  if (Array.isArray(allowBundled)) {
    mergedInto(draft.config, { skills: { allowBundled } });
    draft.rows.carried.push({ setting: `${setting}.allowBundled`, to: "skills.allowBundled" });
  }
  const { extraDirs } = Object(load) as { extraDirs?: unknown };
  if (Array.isArray(extraDirs) && extraDirs.length > 0) {
    mergedInto(draft.config, { skills: { load: { extraDirs } } });
    draft.rows.carried.push({ setting: `${setting}.load.extraDirs`, to: "skills.load.extraDirs" });
  }
  for (const [skill, entry] of Object.entries(Object(entries))) {
    if (isObject(entry)) skillInto(draft, `${setting}.entries.${safeText(skill, 80)}`, skill, entry);
  }
  unknown(draft, setting, others);
}

function skillInto(draft: Draft, setting: string, skill: string, entry: Record<string, unknown>): void {
  const { enabled, apiKey, apiKeySecret, env, envSecrets, passthrough, ...others } = entry;
  const made: Record<string, unknown> = typeof enabled === "boolean" ? { enabled } : {};
  if (typeof apiKeySecret === "string") made["apiKey"] = reference(draft, apiKeySecret);
  else if (typeof apiKey === "string") refuseSecret(draft, `${setting}.apiKey`);
  const variables: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(Object(env))) {
    if (isSecret(key, value)) refuseSecret(draft, `${setting}.env.${key}`);
    else variables[key] = value;
  }
  for (const [key, secret] of Object.entries(Object(envSecrets))) variables[key] = reference(draft, String(secret));
  if (Object.keys(variables).length > 0) made["env"] = variables;
  if (isObject(passthrough)) mergedInto(made, structuredClone(passthrough));
  mergedInto(draft.config, { skills: { entries: { [skill]: made } } });
  draft.rows.carried.push({ setting, to: `skills.entries.${safeText(skill, 80)}` });
  unknown(draft, setting, others);
}

/** `${NAME}` for a secret that has a name already. */
function reference(draft: Draft, secret: string): string {
  const variable = secret.toUpperCase().replace(/[^A-Z0-9]/g, "_");
  nameSecret(draft, variable, secret);
  return `\${${variable}}`;
}

function nameSecret({ secretNames, rows, bot }: Draft, variable: string, secret: unknown): void {
  if (typeof secret === "string" && /^[A-Z_][A-Z0-9_]*$/.test(variable)) secretNames[variable] = secret;
  else rows.missing.push({ setting: `${bot}: ${safeText(variable, 80)}`, note: "Not a variable and a secret's name." });
}

const isSecret = (key: string, value: unknown) =>
  secretOption.test(key) || (typeof value === "string" && secretKindsIn(value).length > 0);

const refuseSecret = ({ rows }: Draft, setting: string) =>
  rows.missing.push({ setting, note: "Holds a secret in the clear, which is not copied. Make it a secret." });

function unknown({ rows }: Draft, setting: string, others: Record<string, unknown>): void {
  for (const key of Object.keys(others)) {
    rows.missing.push({ setting: `${setting}.${safeText(key, 80)}`, note: "Not known here." });
  }
}
