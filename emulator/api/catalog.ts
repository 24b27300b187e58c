import { isos } from "../catalog/isos.ts";
import { locations } from "../catalog/locations.ts";
import { serverTypeByName, serverTypes } from "../catalog/server-types.ts";
import { ApiError, notFound } from "./http/errors.ts";
import { pathId } from "./http/input.ts";
import { list } from "./http/paging.ts";
import type { Route } from "./http/router.ts";
import { get } from "./http/router.ts";
import { price, renderServerType, serverPrices } from "./render-catalog.ts";

const datacentersAreGone: Route["handle"] = () => {
  throw new ApiError(410, "deprecated_api_endpoint", "datacenters were removed, use locations", {
    announcement: "https://docs.hetzner.cloud/changelog",
  });
};

/** What is the same for every project, and only read. */
export const catalogApi: Route[] = [
  get("/locations", (call) => list(call, "locations", locations, (location) => location)),
  get("/locations/{id}", (call) => {
    const id = pathId(call);
    const location = locations.find((candidate) => candidate.id === id);
    if (location === undefined) throw notFound("location", id);
    return { status: 200, body: { location } };
  }),
  get("/server_types", (call) =>
    list(call, "server_types", serverTypes, (type) => renderServerType(type, call.cloud.soldOut)),
  ),
  get("/server_types/{id}", (call) => {
    const id = pathId(call);
    const type = serverTypeByName(String(id));
    if (type === undefined) throw notFound("server type", id);
    return { status: 200, body: { server_type: renderServerType(type, call.cloud.soldOut) } };
  }),
  get("/isos", (call) => {
    const architectures = call.query.getAll("architecture");
    const matching = isos.filter((iso) => architectures.length === 0 || architectures.includes(iso.architecture));
    return list(call, "isos", matching, (iso) => iso);
  }),
  get("/isos/{id}", (call) => {
    const id = pathId(call);
    const iso = isos.find((candidate) => candidate.id === id);
    if (iso === undefined) throw notFound("ISO", id);
    return { status: 200, body: { iso } };
  }),
  get("/datacenters", datacentersAreGone),
  get("/datacenters/{id}", datacentersAreGone),
  get("/pricing", () => ({ status: 200, body: { pricing: pricing() } })),
];

const IPV4_MONTHLY = 0.5;
const VOLUME_PER_GB_MONTHLY = 0.044;
const SNAPSHOT_PER_GB_MONTHLY = 0.0119;

function pricing(): unknown {
  const everywhere = (monthly: number) =>
    locations.map(({ name }) => ({
      location: name,
      price_hourly: price(monthly / 730),
      price_monthly: price(monthly),
    }));
  return {
    currency: "EUR",
    vat_rate: "19.000000",
    image: { price_per_gb_month: price(SNAPSHOT_PER_GB_MONTHLY) },
    volume: { price_per_gb_month: price(VOLUME_PER_GB_MONTHLY) },
    server_backup: { percentage: "20.0000000000" },
    floating_ip: { price_monthly: price(3) },
    floating_ips: [],
    load_balancer_types: [],
    primary_ips: [
      { type: "ipv4", prices: everywhere(IPV4_MONTHLY) },
      { type: "ipv6", prices: everywhere(0) },
    ],
    server_types: serverTypes.map((type) => ({
      id: type.id,
      name: type.name,
      prices: type.offeredIn.map((location) => ({ location, ...serverPrices(type) })),
    })),
  };
}
