import { answerOf, type Hetzner } from "../../base/hetzner/client.ts";

/** The cost of one server with everything that belongs to it, from Hetzner's price list. */
export interface Cost {
  /** Per month, net, rounded to cents. */
  monthlyNet: number;
  /** e.g. `EUR`. */
  currency: string;
}

type Prices = Awaited<ReturnType<typeof readPrices>>;

/** One request for all hosts. */
export async function readPrices(hetzner: Hetzner) {
  const { pricing } = await answerOf("read the price list", hetzner.GET("/pricing"));
  return pricing;
}

/** The billed parts of a server, as reported by the API. */
export interface Paid {
  serverType: string;
  location: string;
  hasIpv4: boolean;
  hasBackups: boolean;
  /** Total size of its volumes. */
  volumeGb: number;
}

/** @returns undefined if the list has no price for the type in this location */
export function costOf(prices: Prices, paid: Paid): Cost | undefined {
  const at = (list: { location: string; price_monthly: { net: string } }[] | undefined) =>
    list?.find(({ location }) => location === paid.location)?.price_monthly.net;
  const server = at(prices.server_types.find(({ name }) => name === paid.serverType)?.prices);
  if (server === undefined) return undefined;
  const ipv4 = paid.hasIpv4 ? (at(prices.primary_ips.find(({ type }) => type === "ipv4")?.prices) ?? "0") : "0";
  const backups = paid.hasBackups ? Number(prices.server_backup.percentage) / 100 : 0;
  const volumes = paid.volumeGb * Number(prices.volume.price_per_gb_month.net);
  const sum = Number(server) * (1 + backups) + Number(ipv4) + volumes;
  return { monthlyNet: Math.round(sum * 100) / 100, currency: prices.currency };
}
