import { z } from "zod";
import type { Problem } from "../../base/problem.ts";
import { type BotFolder, botFolderOf } from "../bots/bot-folder.ts";
import { secretName } from "../settings/names.ts";
import data from "./plan.json" with { type: "json" };
import { type BotSecrets, type PlanSettings, plannedSecrets, type RequiredSecret } from "./plan.ts";

const rule = z
  .object({
    secrets: z.record(z.string(), z.string()),
    always: z.array(z.string()),
    generated: z.array(z.string()),
    reserved: z.array(z.string()),
  })
  .parse(data.botVariables);

/** A variable in a bot's environment, and the secret that is its value. */
export interface BotVariable {
  variable: string;
  secret: RequiredSecret;
}

/** The secret of one variable of one bot. nix/lib/bot-variables.nix has the same rule. */
export function secretNameOf(bot: string, variable: string): string {
  const named = Object.hasOwn(rule.secrets, variable) ? rule.secrets[variable] : undefined;
  return named?.replace("{bot}", () => bot) ?? `${bot}_${variable.toLowerCase()}`;
}

/**
 * What a bot with a folder has in its environment: what its configuration refers to, what its secrets.json names, and what each bot
 * needs.
 */
export function botVariables({
  name,
  file,
  references,
  secretNames,
}: Pick<BotFolder, "name" | "file" | "references" | "secretNames">): BotVariable[] {
  const variables = [...new Set([...rule.always, ...references, ...Object.keys(secretNames)])].sort();
  return variables.map((variable) => {
    const isGenerated = rule.generated.includes(variable);
    const given = Object.hasOwn(secretNames, variable) ? secretNames[variable] : undefined;
    return {
      variable,
      secret: {
        name: given ?? secretNameOf(name, variable),
        kind: isGenerated ? "generated" : "token",
        purpose: `the variable ${variable} of the bot ${name} (${file})`,
        example: isGenerated ? "made automatically" : "one word without spaces, as it was copied",
      },
    };
  });
}

/** A variable of a bot, and whether its secret is named in secrets.json, where it may be shared. */
interface Use extends BotVariable {
  bot: BotFolder;
  isNamed: boolean;
}

/**
 * Variables whose secrets cannot be: the unit sets the variable, or the secret's name is malformed or already used. A secret is shared
 * only if secrets.json says so for each of its variables: no bot gets another one's by accident, or by its own file alone.
 */
export function variableProblems(settings: PlanSettings, bots: readonly BotFolder[]): Problem[] {
  const own = bots.flatMap((bot) =>
    botVariables(bot).map((each): Use => ({ bot, isNamed: Object.hasOwn(bot.secretNames, each.variable), ...each })),
  );
  const others = plannedSecrets({ ...settings, secrets: [] }, new Map(bots.map(({ name }) => [name, []])));
  return own.flatMap((use): Problem[] => {
    const { bot, variable, secret, isNamed } = use;
    const where = isNamed
      ? { subject: `${botFolderOf(bot.name)}/secrets.json`, setting: variable }
      : { subject: bot.file, setting: `\${${variable}}` };
    const problem = (text: string, fix: string): Problem[] => [{ code: "invalid-value", ...where, problem: text, fix }];
    if (rule.reserved.includes(variable)) {
      return problem(
        "is a variable that the bot's unit sets, so it cannot be a secret.",
        "Write its value, or rename it.",
      );
    }
    if (isNamed && rule.generated.includes(variable)) {
      return problem("is made for each bot, and cannot be shared.", "Remove it.");
    }
    const fix = isNamed
      ? "Choose another secret."
      : "Choose another name for the variable, or name its secret in secrets.json.";
    const allowed = secretName.safeParse(secret.name).error?.issues[0]?.message;
    if (allowed !== undefined) return problem(`would be the secret "${secret.name}"; ${allowed}.`, fix);
    const same = own.filter((each) => each !== use && each.secret.name === secret.name && !(isNamed && each.isNamed));
    const taken = [
      ...same.map((each) => `\${${each.variable}} of ${each.bot.name}`),
      ...others.flatMap(({ name, purpose }) => (name === secret.name ? [purpose] : [])),
    ];
    return taken.length === 0
      ? []
      : problem(`would be the secret "${secret.name}", as is ${taken.join(" and ")}.`, fix);
  });
}

export const botSecretsOf = (bots: readonly BotFolder[]): BotSecrets =>
  new Map(bots.map((bot) => [bot.name, botVariables(bot).map(({ secret }) => secret)]));
