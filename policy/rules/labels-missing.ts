import { z } from "zod";
import { labelsOf } from "../../core/base/hetzner/labels.ts";
import { carriesLabels } from "../../core/base/hetzner/resource-types.ts";
import { recordOf, rule, unknown } from "../rule.ts";

export const labelsMissing = rule({
  name: "labels-missing",
  severity: "medium",
  description: "Every resource at Hetzner has labels that name its host.",
  reason:
    "If the state is lost, only labels identify a resource, so that it can be adopted or deleted. Otherwise it keeps costing money.",
  fix: "Add labels: labelsOf(host) (core/base/hetzner/labels.ts).",
  settings: z.object({
    required: z
      .array(z.string())
      .default(Object.keys(labelsOf("")))
      .describe("required keys; each needs a value"),
  }),
  scope: "resource",
  check: (resources, { required }) =>
    resources
      .filter(({ type, props }) => carriesLabels(type) && props["labels"] !== unknown)
      .flatMap(({ urn, props }) => {
        const labels = recordOf(props["labels"]);
        const missing = required.filter((key) => labels[key] === undefined || labels[key] === "");
        return missing.length === 0 ? [] : [{ urn, message: `has no labels ${missing.join(", ")}` }];
      }),
});
