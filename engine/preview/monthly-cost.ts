import { messageOf } from "../../core/base/errors.ts";
import { createHetzner } from "../../core/base/hetzner/client.ts";
import { resourceTypes } from "../../core/base/hetzner/resource-types.ts";
import type { Environment } from "../../core/base/machine/environment.ts";
import type { Layout } from "../../core/project/layout.ts";
import { readAccess } from "../../core/project/settings/access.ts";
import { costOf, type Paid, readPrices } from "../../core/tasks/status/cost.ts";
import { candidatesOf } from "./plan/draws.ts";
import type { Plan, Step, Values } from "./plan/plan.ts";
import type { MonthlyCost } from "./plan/planned-text.ts";

type Prices = Awaited<ReturnType<typeof readPrices>>;

/**
 * What a plan does to the price, by Hetzner's own list.
 * @returns undefined where nothing that is paid for changes; then Hetzner is not asked
 */
export async function monthlyCost(
  plan: Plan,
  { layout, host, environment }: { layout: Layout; host: string; environment: Environment },
): Promise<MonthlyCost | undefined> {
  const paid = plan.steps.filter(({ custom, op }) => custom && op !== "read").map((step) => paidFor(step, plan.steps));
  if (JSON.stringify(paid.map(({ before }) => before)) === JSON.stringify(paid.map(({ after }) => after)))
    return undefined;
  try {
    const { endpoint, token } = readAccess(layout, host, environment);
    // A preview does not wait for a price.
    const limits = { attempts: 2, maxWaitSeconds: 5 };
    const prices = await readPrices(createHetzner({ endpoint, token, limits, tell: () => undefined }));
    const sum = (all: readonly Item[]) => {
      const cents = all.flat().reduce((total, each) => total + priceOf(prices, each) * 100, 0);
      return Math.round(cents) / 100;
    };
    return {
      before: sum(paid.map(({ before }) => before)),
      after: sum(paid.map(({ after }) => after)),
      currency: prices.currency,
    };
  } catch (error) {
    return { unknown: messageOf(error).split("\n")[0] ?? "" };
  }
}

/** What one resource is paid for: a server with what belongs to it, a volume, or an address. */
type Item = (Paid | { dearestOf: Paid[] } | { volumeGb: number } | { ipv4At: string })[];

function paidFor(step: Step, steps: readonly Step[]): { before: Item; after: Item } {
  const { type, op, before, after } = step;
  const exists = { before: op !== "create", after: op !== "delete" };
  return {
    before: exists.before ? itemOf(type, before) : [],
    after: exists.after ? itemOf(type, after ?? before, drawnOf(step, steps)) : [],
  };
}

/** What `up` draws a new server's type and location from. */
interface Drawn {
  serverTypes?: string[] | undefined;
  locations?: string[] | undefined;
}

const drawnOf = (step: Step, steps: readonly Step[]): Drawn => ({
  serverTypes: candidatesOf(step, "serverType", steps),
  locations: candidatesOf(step, "location", steps),
});

function itemOf(type: string, values: Values = {}, drawn: Drawn = {}): Item {
  const text = (key: string) => String(values[key] ?? "");
  if (type === resourceTypes.server) {
    const [nets] = Array.isArray(values["publicNets"]) ? values["publicNets"] : [];
    // An address that is a resource of its own is counted there.
    const hasIpv4 = nets?.ipv4Enabled !== false && nets?.ipv4 === undefined;
    const hasBackups = values["backups"] === true;
    const { serverTypes = [text("serverType")], locations = [text("location")] } = drawn;
    const candidates = serverTypes.flatMap((serverType) =>
      locations.map((location) => ({ serverType, location, hasIpv4, hasBackups, volumeGb: 0 })),
    );
    return [candidates.length === 1 && candidates[0] ? candidates[0] : { dearestOf: candidates }];
  }
  if (type === resourceTypes.volume) return [{ volumeGb: Number(values["size"] ?? 0) }];
  if (type === resourceTypes.primaryIp && values["type"] === "ipv4") return [{ ipv4At: text("location") }];
  return [];
}

/** @throws Error where the list has no price for it */
function priceOf(prices: Prices, item: Item[number]): number {
  if ("serverType" in item) {
    const cost = costOf(prices, item);
    if (cost) return cost.monthlyNet;
    throw new Error(
      `Hetzner's price list has no ${item.serverType || "server type"} in ${item.location || "this location"}`,
    );
  }
  if ("dearestOf" in item) {
    // A candidate that is not sold in a location is not drawn there.
    const costs = item.dearestOf.flatMap((each) => costOf(prices, each)?.monthlyNet ?? []);
    if (costs.length > 0) return Math.max(...costs);
    throw new Error("Hetzner's price list has none of the types in these locations");
  }
  if ("volumeGb" in item) return item.volumeGb * Number(prices.volume.price_per_gb_month.net);
  const list = prices.primary_ips.find(({ type }) => type === "ipv4")?.prices;
  const price = list?.find(({ location }) => location === item.ipv4At) ?? list?.[0];
  return Number(price?.price_monthly.net ?? 0);
}
