import { join } from "node:path";
import { z } from "zod";
import { parseJson } from "../../base/text/json.ts";
import { readText } from "../../base/text/read-text.ts";
import type { Layout } from "../../project/layout.ts";

/** The team's settings of the policy, next to Pulumi.yaml (docs/ci.md). */
export const policySettings = "clawdlets-policy.json";

/** Net euros a month that one stack may cost unless the team sets another limit. */
export const defaultMonthlyEur = 100;

const levels = z.enum(["mandatory", "advisory", "disabled", "remediate", "none"]);
const costRule = z.object({ monthlyEur: z.number().min(0).optional(), enforcementLevel: levels.optional() });
const file = z.object({ "cost-above-limit": z.union([costRule, levels]).optional() });

/**
 * The monthly cost limit of a new or changed server, from the policy's settings. The default applies if the file is missing or
 * invalid; the policy reports what is wrong with it.
 * @returns undefined if the rule is not mandatory
 */
export function monthlyLimit({ root }: Pick<Layout, "root">): number | undefined {
  const { text } = readText(join(root, policySettings), policySettings);
  const rule = text === undefined ? undefined : file.safeParse(parseJson(text)).data?.["cost-above-limit"];
  const { monthlyEur = defaultMonthlyEur, enforcementLevel = "mandatory" } =
    typeof rule === "string" ? { enforcementLevel: rule } : (rule ?? {});
  return enforcementLevel === "mandatory" ? monthlyEur : undefined;
}
