import { SettingsError } from "../../base/errors.ts";
import type { Problem } from "../../base/problem.ts";
import { readBots } from "../bots/bot-folder.ts";
import type { Layout } from "../layout.ts";
import { botSecretsOf, variableProblems } from "./bot-variables.ts";
import { type PlanSettings, plannedSecrets, type RequiredSecret } from "./plan.ts";

/** Every secret a host needs, or what is wrong with the folders of its bots. */
export function readRequiredSecrets(
  layout: Pick<Layout, "root">,
  settings: PlanSettings,
): { required?: RequiredSecret[]; problems: Problem[] } {
  const { bots, problems: unread } = readBots(layout, settings.bots);
  const problems = [...unread, ...variableProblems(settings, bots)];
  return problems.length > 0 ? { problems } : { required: plannedSecrets(settings, botSecretsOf(bots)), problems };
}

/**
 * Every secret a host needs, in one place: for `init`, `verify`, `doctor`, the checks before a server is bought, and, by the same
 * rules, the Nix modules.
 * @throws SettingsError with everything that is wrong with the folders of its bots
 */
export function requiredSecrets(layout: Pick<Layout, "root">, settings: PlanSettings): RequiredSecret[] {
  const { required, problems } = readRequiredSecrets(layout, settings);
  if (!required) throw new SettingsError(problems);
  return required;
}
