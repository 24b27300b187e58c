import { z } from "zod";
import { labelsOf } from "../../core/base/hetzner/labels.ts";
import { recordOf, rule, unknown } from "../rule.ts";

/** Everything at Hetzner that carries labels and can outlive the state. */
const labelled =
  /^hcloud:index\/(server|firewall|sshKey|volume|network|primaryIp|floatingIp|loadBalancer|placementGroup|snapshot):/;

export const labelsMissing = rule({
  name: "labels-missing",
  severity: "medium",
  description: "Everything that is made at Hetzner says by its labels which host it belongs to.",
  reason:
    "What has lost its state is found again by its labels alone, to be adopted or deleted; else it goes on costing money.",
  mend: "Add labels: labelsOf(host) (core/base/hetzner/labels.ts).",
  settings: z.object({
    required: z
      .array(z.string())
      .default(Object.keys(labelsOf("")))
      .describe("keys that have to be there, with a value"),
  }),
  scope: "resource",
  check: (resources, { required }) =>
    resources
      .filter(({ type, props }) => labelled.test(type) && props["labels"] !== unknown)
      .flatMap(({ urn, props }) => {
        const labels = recordOf(props["labels"]);
        const missing = required.filter((key) => labels[key] === undefined || labels[key] === "");
        return missing.length === 0 ? [] : [{ urn, message: `is without the labels ${missing.join(", ")}` }];
      }),
});
