import { botNamePattern } from "../../project/settings/names.ts";
import { isObject } from "./values.ts";

type Fields = Record<string, unknown>;

/** Settings of upstream's fleet that become files of bots. The others are a host's. */
export const botSettings: ReadonlySet<string> = new Set([
  "bots",
  "botOrder",
  "botOverrides",
  "botProfiles",
  "routing",
  "routingOverrides",
  "routingQueue",
  "guildId",
  "agentModelPrimary",
  "agentModels",
  "identity",
  "discord",
  "documentsDir",
  "secretEnv",
]);

/** Since 33011dc, `fleet.bots` is an object with everything about each bot; at b49d4af it is a list, with profiles beside it. */
export const hasOwnBots = (fleet: Fields): boolean => isObject(fleet["bots"]);

/** The bots of a fleet, in upstream's order, and the names that are not allowed here. */
export function botsIn(fleet: unknown): { bots: string[]; refused: string[] } {
  if (!isObject(fleet)) return { bots: [], refused: [] };
  const { bots = [], botOrder } = fleet;
  const ordered = Array.isArray(botOrder) ? botOrder : [];
  const listed = Array.isArray(bots) ? bots : [...ordered, ...Object.keys(Object(bots))];
  const isAllowed = (bot: unknown): bot is string => typeof bot === "string" && botNamePattern.test(bot);
  return {
    bots: [...new Set(listed.filter(isAllowed))],
    refused: [...new Set(listed.filter((bot) => !isAllowed(bot)).map(String))],
  };
}

/** What upstream says of one bot: each part's path in its file, and its settings. A later one wins. */
export function profilesOf(fleet: Fields, bot: string): [setting: string, profile: Fields][] {
  const own = Object(fleet["bots"])[bot];
  const parts: [string, unknown][] = hasOwnBots(fleet)
    ? partsOf(fleet, `fleet.bots.${bot}`, isObject(own) ? own : {})
    : ["botProfiles", "botOverrides"].map((key) => [`fleet.${key}.${bot}`, Object(fleet[key])[bot]]);
  return parts.filter((part): part is [string, Fields] => isObject(part[1]));
}

function partsOf({ secretEnv }: Fields, setting: string, { profile, ...others }: Fields): [string, unknown][] {
  const { secretEnvAllowlist, ...rest } = isObject(profile) ? profile : {};
  const allowed = Array.isArray(secretEnvAllowlist) ? secretEnvAllowlist : undefined;
  const only = (secrets: unknown) =>
    Object.fromEntries(
      Object.entries(Object(secrets)).filter(([variable]) => allowed === undefined || allowed.includes(variable)),
    );
  return [
    ["fleet", { secretEnv: only(secretEnv) }],
    [`${setting}.profile`, { ...rest, secretEnv: only(rest["secretEnv"]), ...(allowed && { secretEnvAllowlist }) }],
    [setting, others],
  ];
}
