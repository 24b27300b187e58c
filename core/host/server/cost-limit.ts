import { join } from "node:path";
import { z } from "zod";
import { parseJson } from "../../base/text/json.ts";
import { readText } from "../../base/text/read-text.ts";
import type { Layout } from "../../project/layout.ts";

/** What a team tunes the policy with, beside Pulumi.yaml (docs/ci.md). */
export const policySettings = "clawdlets-policy.json";

/** Euros a month, net, that one stack may cost unless a team has agreed on more. */
export const defaultMonthlyEur = 100;

const levels = z.enum(["mandatory", "advisory", "disabled", "remediate", "none"]);
const costRule = z.object({ monthlyEur: z.number().min(0).optional(), enforcementLevel: levels.optional() });
const file = z.object({ "cost-above-limit": z.union([costRule, levels]).optional() });

/**
 * What a new or changed server may cost, by the policy's own settings. Without a file, or with one that cannot be read (the
 * policy says what is wrong with it), it is the default.
 * @returns undefined where the rule does not refuse
 */
export function monthlyLimit({ root }: Pick<Layout, "root">): number | undefined {
  const { text } = readText(join(root, policySettings), policySettings);
  const rule = text === undefined ? undefined : file.safeParse(parseJson(text)).data?.["cost-above-limit"];
  const { monthlyEur = defaultMonthlyEur, enforcementLevel = "mandatory" } =
    typeof rule === "string" ? { enforcementLevel: rule } : (rule ?? {});
  return enforcementLevel === "mandatory" ? monthlyEur : undefined;
}
