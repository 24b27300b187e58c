import { z } from "zod";
import { resourceTypes } from "../../core/base/hetzner/resource-types.ts";
import { defaultMonthlyEur } from "../../core/host/server/cost-limit.ts";
import { monthlyEur, otherEur } from "../catalog.ts";
import { listOf, type PlannedResource, recordOf, rule, textOf, unknown } from "../rule.ts";

export const costAboveLimit = rule({
  name: "cost-above-limit",
  severity: "medium",
  description: "A stack stays within its monthly budget.",
  reason: "A server is billed by the hour from its creation, even when it is switched off.",
  fix: 'Use a smaller type, or raise this rule\'s setting "monthlyEur".',
  settings: z.object({
    monthlyEur: z.number().min(0).default(defaultMonthlyEur).describe("monthly limit for one stack, in euros, net"),
    prices: z
      .record(z.string(), z.number())
      .default({})
      .describe("monthly net prices in euros by server type; they override our list"),
  }),
  scope: "stack",
  check(resources, settings) {
    const priced = resources.map((resource) => ({ resource, eur: dearest(resource, resources, settings.prices) }));
    const unpriced = priced.flatMap(({ resource: { urn, props }, eur }) => {
      if (eur !== undefined) return [];
      return [
        {
          urn,
          message: `no known price for server type ${textOf(props["serverType"]) ?? "(unknown)"}: add it to "prices"`,
        },
      ];
    });
    const sum = priced.reduce((total, { eur = 0 }) => total + eur, 0);
    if (sum <= settings.monthlyEur) return unpriced;
    const parts = priced.flatMap(({ resource, eur = 0 }) => (eur === 0 ? [] : `${resource.name} ${eur.toFixed(2)}`));
    const message = `costs about ${sum.toFixed(2)} EUR a month, net (${parts.join(", ")}); the limit is ${settings.monthlyEur}`;
    return [...unpriced, { message }];
  },
});

/** The price of a resource; of a server whose type is drawn at `up`, that of the dearest candidate. */
function dearest(
  resource: PlannedResource,
  resources: readonly PlannedResource[],
  prices: Readonly<Record<string, number>>,
): number | undefined {
  const candidates = drawnTypes(resource, resources);
  if (candidates.length === 0) return priceOf(resource, prices);
  const eur = candidates.map((serverType) =>
    priceOf({ ...resource, props: { ...resource.props, serverType } }, prices),
  );
  return eur.some((each) => each === undefined) ? undefined : Math.max(...eur.map(Number));
}

/** The candidates of a server's type in a preview, from the draw beside it (components/internal/place.ts). */
function drawnTypes({ type, name, props }: PlannedResource, resources: readonly PlannedResource[]): string[] {
  if (type !== resourceTypes.server || props["serverType"] !== unknown) return [];
  const wanted = `${name.replace(/-server$/, "")}-type`;
  const draw = resources.find((each) => each.type === resourceTypes.shuffle && each.name === wanted);
  return listOf(draw?.props["inputs"]).flatMap((each) => textOf(each) ?? []);
}

/** Euros a month. @returns undefined for a server type that has no price */
export function priceOf(
  { type, props }: PlannedResource,
  prices: Readonly<Record<string, number>> = {},
): number | undefined {
  if (type === resourceTypes.server) {
    const name = textOf(props["serverType"]) ?? "";
    const server = Object.hasOwn(prices, name)
      ? prices[name]
      : Object.hasOwn(monthlyEur, name)
        ? monthlyEur[name]
        : undefined;
    if (server === undefined) return undefined;
    const [net = {}] = Array.isArray(props["publicNets"]) ? props["publicNets"] : [];
    const ipv4 = recordOf(net)["ipv4Enabled"] === false ? 0 : otherEur.ipv4;
    return server * (props["backups"] === true ? 1 + otherEur.backupsShare : 1) + ipv4;
  }
  if (type === resourceTypes.volume && typeof props["size"] === "number") return props["size"] * otherEur.volumeGb;
  return 0;
}
