import { expect, it } from "vitest";
import { resourceTypes } from "../../../core/base/hetzner/resource-types.ts";
import { costOf } from "../../../core/tasks/status/cost.ts";
import { monthlyEur, otherEur } from "../../../policy/catalog.ts";
import { priceOf } from "../../../policy/rules/cost-above-limit.ts";

it.each<[object, number]>([
  [{}, otherEur.ipv4],
  [{ publicNets: [{ ipv4Enabled: true, ipv6Enabled: true }] }, otherEur.ipv4],
  [{ publicNets: [{ ipv4Enabled: false, ipv6Enabled: true }] }, 0],
])("a server with %j costs its type and %d EUR", (props, more) => {
  const planned = { type: resourceTypes.server, name: "web-1-server", props: { serverType: "cx43", ...props } };
  expect(priceOf(planned as never)).toBeCloseTo((monthlyEur["cx43"] ?? 0) + more);
});

it("status counts no address for a server without IPv4", () => {
  const at = (net: string) => [{ location: "nbg1", price_monthly: { net } }];
  const prices = {
    currency: "EUR",
    server_types: [{ name: "cx43", prices: at("10.00") }],
    primary_ips: [{ type: "ipv4", prices: at("0.50") }],
    server_backup: { percentage: "20" },
    volume: { price_per_gb_month: { net: "0.04" } },
  } as unknown as Parameters<typeof costOf>[0];
  const paid = { serverType: "cx43", location: "nbg1", hasBackups: false, volumeGb: 0 };
  const costs = [true, false].map((hasIpv4) => costOf(prices, { ...paid, hasIpv4 })?.monthlyNet);
  expect(costs).toEqual([10.5, 10]);
});
