import { z } from "zod";
import { locations } from "../catalog/locations.ts";
import type { Cloud } from "../cloud/cloud.ts";
import type { NetworkRecord } from "../cloud/types.ts";
import { parseRange } from "../network/cidr.ts";
import { actionReply, actionRoutes } from "./actions.ts";
import { conflict, invalidInput, isProtected, notUnique, unprocessable } from "./http/errors.ts";
import { labels, name, pathId, readBody } from "./http/input.ts";
import { list } from "./http/paging.ts";
import type { Call, Reply, Route } from "./http/router.ts";
import { del, get, post, put } from "./http/router.ts";
import { found, mustBeUnlocked } from "./locks.ts";
import { contains, gatewayOf, isIpv4, nextSubnetRange, overlaps } from "./network-addresses.ts";

const cidr = z.string().refine((text) => parseRange(text)?.isAtNetworkAddress === true, {
  message: "must be a CIDR at its network address",
});
const subnetBody = z.object({
  type: z.enum(["cloud", "server", "vswitch"]),
  ip_range: cidr.optional(),
  network_zone: z.enum([...new Set(locations.map((location) => location.network_zone))] as [string, ...string[]]),
  vswitch_id: z.number().int().nullish(),
});
type SubnetBody = z.output<typeof subnetBody>;
const routeBody = z.object({ destination: cidr, gateway: z.string().refine(isIpv4, { message: "must be an IPv4" }) });

function render(cloud: Cloud, network: NetworkRecord): unknown {
  const members = [...cloud.servers.values()].filter((server) =>
    server.privateNet.some((net) => net.network === network.id),
  );
  return {
    id: network.id,
    name: network.name,
    labels: network.labels,
    created: network.created,
    ip_range: network.ipRange,
    subnets: network.subnets.map((subnet) => ({ ...subnet, gateway: gatewayOf(network.ipRange) })),
    routes: network.routes,
    servers: members.map((server) => server.id),
    load_balancers: [],
    protection: network.protection,
    expose_routes_to_vswitch: network.exposeRoutesToVswitch,
  };
}

function pathNetwork(call: Call): NetworkRecord {
  return found("network", call.cloud.networks, pathId(call));
}

function nameMustBeFree(call: Call, wanted: string, except?: number): void {
  for (const other of call.cloud.networks.values()) {
    if (other.name === wanted && other.id !== except) throw notUnique("name");
  }
}

/** A vSwitch is Hetzner Robot's, of which nothing is emulated: none is ever found. @throws ApiError 422 */
function vSwitchMustExist({ type, vswitch_id }: SubnetBody): void {
  if (type !== "vswitch") return;
  if (vswitch_id == null) throw invalidInput({ vswitch_id: "is required for subnets of type vswitch" });
  throw unprocessable("service_error", "vswitch not found");
}

function addSubnet(network: NetworkRecord, given: SubnetBody): void {
  vSwitchMustExist(given);
  const ipRange = given.ip_range ?? nextSubnetRange(network);
  if (ipRange === null) throw unprocessable("no_subnet_available", "the network has no free range left");
  if (!contains(network.ipRange, ipRange))
    throw invalidInput({ ip_range: `'${ipRange}' is not in the network's range` });
  if (network.subnets.some((subnet) => overlaps(subnet.ip_range, ipRange))) {
    throw invalidInput({ ip_range: `'${ipRange}' overlaps with another subnet` });
  }
  network.subnets.push({
    type: given.type,
    ip_range: ipRange,
    network_zone: given.network_zone,
    vswitch_id: given.vswitch_id ?? null,
  });
}

const createBody = z.object({
  name,
  ip_range: cidr,
  labels: labels.optional(),
  subnets: z.array(subnetBody).optional(),
  routes: z.array(routeBody).optional(),
  expose_routes_to_vswitch: z.boolean().optional(),
});

function create(call: Call): Reply {
  const { cloud } = call;
  const body = readBody(call, createBody);
  nameMustBeFree(call, body.name);
  const network: NetworkRecord = {
    id: cloud.nextId("network"),
    name: body.name,
    labels: body.labels ?? {},
    created: cloud.now(),
    ipRange: body.ip_range,
    subnets: [],
    routes: body.routes ?? [],
    protection: { delete: false },
    exposeRoutesToVswitch: body.expose_routes_to_vswitch ?? false,
  };
  for (const subnet of body.subnets ?? []) addSubnet(network, subnet);
  cloud.networks.set(network.id, network);
  cloud.onChange();
  return { status: 201, body: { network: render(cloud, network) } };
}

/** An action that has changed the network by the time it is answered, and then only takes its time. */
function change(path: string, command: string, apply: (call: Call, network: NetworkRecord) => void): Route {
  return post(`/networks/{id}/actions/${path}`, (call) => {
    const network = pathNetwork(call);
    // Not `locked`: the provider, which adds subnets and routes at the same time, waits only for a `conflict` to pass.
    if (call.cloud.lockOf("network", network.id) !== null) throw conflict("network");
    apply(call, network);
    const resources = [{ id: network.id, type: "network" as const }];
    return actionReply(call, call.cloud.startAction({ command, resources, fault: call.actionFault }));
  });
}

export const networksApi: Route[] = [
  post("/networks", create),
  get("/networks", (call) => list(call, "networks", call.cloud.networks.values(), (item) => render(call.cloud, item))),
  get("/networks/{id}", (call) => ({ status: 200, body: { network: render(call.cloud, pathNetwork(call)) } })),
  put("/networks/{id}", (call) => {
    const network = pathNetwork(call);
    const body = readBody(
      call,
      z.object({ name: name.optional(), labels: labels.optional(), expose_routes_to_vswitch: z.boolean().optional() }),
    );
    if (body.name !== undefined) nameMustBeFree(call, body.name, network.id);
    network.name = body.name ?? network.name;
    network.labels = body.labels ?? network.labels;
    network.exposeRoutesToVswitch = body.expose_routes_to_vswitch ?? network.exposeRoutesToVswitch;
    call.cloud.onChange();
    return { status: 200, body: { network: render(call.cloud, network) } };
  }),
  del("/networks/{id}", (call) => {
    const network = pathNetwork(call);
    mustBeUnlocked(call.cloud, "network", network.id);
    if (network.protection.delete) throw isProtected("network");
    for (const server of call.cloud.servers.values()) {
      server.privateNet = server.privateNet.filter((net) => net.network !== network.id);
    }
    call.cloud.networks.delete(network.id);
    call.cloud.onChange();
    return { status: 204 };
  }),
  change("add_subnet", "add_subnet", (call, network) => addSubnet(network, readBody(call, subnetBody))),
  change("delete_subnet", "delete_subnet", (call, network) => {
    const { ip_range } = readBody(call, z.object({ ip_range: z.string() }));
    if (!network.subnets.some((subnet) => subnet.ip_range === ip_range)) {
      throw invalidInput({ ip_range: `'${ip_range}' is not a subnet of the network` });
    }
    network.subnets = network.subnets.filter((subnet) => subnet.ip_range !== ip_range);
  }),
  change("add_route", "add_route", (call, network) => {
    network.routes.push(readBody(call, routeBody));
  }),
  change("delete_route", "delete_route", (call, network) => {
    const gone = readBody(call, z.object({ destination: z.string(), gateway: z.string() }));
    network.routes = network.routes.filter(
      (route) => route.destination !== gone.destination || route.gateway !== gone.gateway,
    );
  }),
  change("change_ip_range", "change_ip_range", (call, network) => {
    const { ip_range } = readBody(call, z.object({ ip_range: cidr }));
    if (!contains(ip_range, network.ipRange)) throw invalidInput({ ip_range: "the range can only grow" });
    network.ipRange = ip_range;
  }),
  change("change_protection", "change_protection", (call, network) => {
    const body = readBody(call, z.object({ delete: z.boolean().optional() }));
    network.protection = { delete: body.delete ?? network.protection.delete };
  }),
  ...actionRoutes("networks", "network", (cloud, networkId) => cloud.networks.has(networkId)),
];
