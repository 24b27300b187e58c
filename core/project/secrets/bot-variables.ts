import { z } from "zod";
import type { Problem } from "../../base/problem.ts";
import type { BotFolder } from "../bots/bot-folder.ts";
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

/** What a bot with a folder has in its environment: what its configuration refers to, and what each of them needs. */
export function botVariables({
  name,
  file,
  references,
}: Pick<BotFolder, "name" | "file" | "references">): BotVariable[] {
  const variables = [...new Set([...rule.always, ...references])].sort();
  return variables.map((variable) => {
    const isGenerated = rule.generated.includes(variable);
    return {
      variable,
      secret: {
        name: secretNameOf(name, variable),
        kind: isGenerated ? "generated" : "token",
        purpose: `the variable ${variable} of the bot ${name} (${file})`,
        example: isGenerated ? "made automatically" : "one word without spaces, as it was copied",
      },
    };
  });
}

/** Variables whose secrets cannot be: the unit sets the variable, or the secret's name is malformed or already used. */
export function variableProblems(settings: PlanSettings, bots: readonly BotFolder[]): Problem[] {
  const own = bots.flatMap((bot) => botVariables(bot).map((each) => ({ bot, ...each })));
  const others = plannedSecrets({ ...settings, secrets: [] }, new Map(bots.map(({ name }) => [name, []])));
  const uses = new Map<string, string[]>();
  for (const { bot, variable, secret } of own) {
    uses.set(secret.name, [...(uses.get(secret.name) ?? []), `\${${variable}} of ${bot.name}`]);
  }
  for (const { name, purpose } of others) uses.set(name, [...(uses.get(name) ?? []), purpose]);
  return own.flatMap(({ bot, variable, secret }): Problem[] => {
    const problem = (text: string, fix: string): Problem[] => [
      { code: "invalid-value", subject: bot.file, setting: `\${${variable}}`, problem: text, fix },
    ];
    if (rule.reserved.includes(variable)) {
      return problem(
        "is a variable that the bot's unit sets, so it cannot be a secret.",
        "Write its value, or rename it.",
      );
    }
    const fix = "Choose another name for the variable.";
    const allowed = secretName.safeParse(secret.name).error?.issues[0]?.message;
    if (allowed !== undefined) return problem(`would be the secret "${secret.name}"; ${allowed}.`, fix);
    const shared = uses.get(secret.name) ?? [];
    return shared.length < 2
      ? []
      : problem(`would be the secret "${secret.name}", as is ${otherUses(shared, bot, variable)}.`, fix);
  });
}

const otherUses = (uses: readonly string[], bot: BotFolder, variable: string) =>
  uses.filter((each) => each !== `\${${variable}} of ${bot.name}`).join(" and ");

export const botSecretsOf = (bots: readonly BotFolder[]): BotSecrets =>
  new Map(bots.map((bot) => [bot.name, botVariables(bot).map(({ secret }) => secret)]));
