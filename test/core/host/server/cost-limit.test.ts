import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { monthlyLimit, policySettings } from "../../../../core/host/server/cost-limit.ts";
import { temporaryFolder } from "../../../_project.ts";

it.each<[string, string | undefined, number | undefined]>([
  ["100 without a file", undefined, 100],
  ["the file's", '{"cost-above-limit": {"monthlyEur": 250}}', 250],
  ["100 where the file is about other rules", '{"labels-missing": {"enforcementLevel": "advisory"}}', 100],
  [
    "none where the rule only advises",
    '{"cost-above-limit": {"monthlyEur": 5, "enforcementLevel": "advisory"}}',
    undefined,
  ],
  ["none where the rule is off", '{"cost-above-limit": "disabled"}', undefined],
  ["100 where the value is invalid, which the policy says", '{"cost-above-limit": {"monthlyEur": "250"}}', 100],
  ["100 where it is not JSON, which the policy says", "{", 100],
])("the limit is %s", (_, text, limit) => {
  const root = temporaryFolder();
  if (text !== undefined) writeFileSync(join(root, policySettings), text);
  expect(monthlyLimit({ root })).toBe(limit);
});
