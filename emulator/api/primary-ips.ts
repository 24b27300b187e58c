import { z } from "zod";
import { locationByName } from "../catalog/locations.ts";
import type { Cloud } from "../cloud/cloud.ts";
import type { PrimaryIpRecord } from "../cloud/types.ts";
import { parseRange } from "../network/cidr.ts";
import { actionReply, actionRoutes, renderAction } from "./actions.ts";
import { setDnsPtr } from "./dns-ptr.ts";
import { invalidInput, isProtected, notUnique, unprocessable } from "./http/errors.ts";
import { id, idOrName, labels, name, pathId, readBody } from "./http/input.ts";
import { list } from "./http/paging.ts";
import type { Call, Reply, Route } from "./http/router.ts";
import { del, get, post, put } from "./http/router.ts";
import { found, mustBeUnlocked } from "./locks.ts";
import { defaultDnsPtr } from "./servers/render.ts";

function render(ip: PrimaryIpRecord): unknown {
  const fallback = ip.type === "ipv4" ? [{ ip: ip.ip, dns_ptr: defaultDnsPtr(ip.ip) }] : [];
  return {
    id: ip.id,
    name: ip.name,
    type: ip.type,
    ip: ip.ip,
    labels: ip.labels,
    created: ip.created,
    assignee_id: ip.assignee,
    // Since 2026-08-01 an IP without a server says so here.
    assignee_type: ip.assignee === null ? "unassigned" : "server",
    auto_delete: ip.autoDelete,
    blocked: false,
    dns_ptr: ip.dnsPtr.length > 0 ? ip.dnsPtr : fallback,
    location: locationByName(ip.location) ?? null,
    protection: ip.protection,
  };
}

function pathIp(call: Call): PrimaryIpRecord {
  return found("primary IP", call.cloud.primaryIps, pathId(call));
}

/** An IPv6 is a /64, asked for by its network address, with the prefix or without. */
function isAddressOf(ip: PrimaryIpRecord, text: string): boolean {
  if (ip.type === "ipv4") return ip.ip === text;
  const range = parseRange(text.includes("/") ? text : `${text}/64`);
  return range?.isAtNetworkAddress === true && range.canonical === ip.ip;
}

function nameMustBeFree(call: Call, wanted: string, except?: number): void {
  for (const other of call.cloud.primaryIps.values()) {
    if (other.name === wanted && other.id !== except) throw notUnique("name");
  }
}

/** @throws ApiError 422 where the server cannot take the IP now. */
function mustTake(cloud: Cloud, ip: Pick<PrimaryIpRecord, "type" | "location">, serverId: number): void {
  const server = cloud.servers.get(serverId);
  if (server === undefined) throw invalidInput({ assignee_id: `server ${serverId} not found` });
  if (server.status !== "off") throw unprocessable("server_not_stopped", "the server must be powered off for this");
  if (server[ip.type] !== null)
    throw unprocessable(`server_has_${ip.type}`, `the server already has an ${ip.type} address`);
  if (server.location !== ip.location) throw invalidInput({ assignee_id: "the server is in another location" });
}

const createBody = z.object({
  name,
  type: z.enum(["ipv4", "ipv6"]),
  assignee_type: z.literal("server").optional(),
  assignee_id: z.number().int().nullish(),
  auto_delete: z.boolean().optional(),
  labels: labels.optional(),
  location: idOrName.optional(),
});

function create(call: Call): Reply {
  const { cloud } = call;
  const body = readBody(call, createBody);
  nameMustBeFree(call, body.name);
  const server = body.assignee_id == null ? undefined : cloud.servers.get(body.assignee_id);
  const location = server?.location ?? locationByName(body.location ?? "")?.name;
  if (location === undefined) throw invalidInput({ location: "location or assignee_id is required and must exist" });
  if (body.assignee_id != null) mustTake(cloud, { type: body.type, location }, body.assignee_id);
  const ipId = cloud.nextId("primary_ip");
  const ip: PrimaryIpRecord = {
    id: ipId,
    name: body.name,
    labels: body.labels ?? {},
    created: cloud.now(),
    type: body.type,
    ip:
      body.type === "ipv4"
        ? cloud.addresses.primaryIpv4(cloud.ordinal("primary_ip", ipId))
        : cloud.addresses.ipv6Network(ipId),
    location,
    assignee: null,
    autoDelete: body.auto_delete ?? false,
    protection: { delete: false },
    dnsPtr: [],
  };
  cloud.primaryIps.set(ip.id, ip);
  if (server === undefined) {
    cloud.onChange();
    return { status: 201, body: { primary_ip: render(ip) } };
  }
  const action = assign(call, ip, server.id, "assign_primary_ip");
  return { status: 201, body: { primary_ip: render(ip), action: renderAction(cloud, action) } };
}

function assign(call: Call, ip: PrimaryIpRecord, server: number | null, command: string) {
  const other = server ?? ip.assignee;
  return call.cloud.startAction({
    command,
    resources: [{ id: ip.id, type: "primary_ip" }, ...(other === null ? [] : [{ id: other, type: "server" as const }])],
    effect: { do: "primary_ip.assign", primaryIp: ip.id, server },
    fault: call.actionFault,
  });
}

export const primaryIpsApi: Route[] = [
  post("/primary_ips", create),
  get("/primary_ips", (call) => {
    const wanted = call.query.get("ip");
    const ips = [...call.cloud.primaryIps.values()].filter((ip) => wanted === null || isAddressOf(ip, wanted));
    return list(call, "primary_ips", ips, render);
  }),
  get("/primary_ips/{id}", (call) => ({ status: 200, body: { primary_ip: render(pathIp(call)) } })),
  put("/primary_ips/{id}", (call) => {
    const ip = pathIp(call);
    const body = readBody(
      call,
      z.object({ name: name.optional(), labels: labels.optional(), auto_delete: z.boolean().optional() }),
    );
    if (body.name !== undefined) nameMustBeFree(call, body.name, ip.id);
    ip.name = body.name ?? ip.name;
    ip.labels = body.labels ?? ip.labels;
    ip.autoDelete = body.auto_delete ?? ip.autoDelete;
    call.cloud.onChange();
    return { status: 200, body: { primary_ip: render(ip) } };
  }),
  del("/primary_ips/{id}", (call) => {
    const ip = pathIp(call);
    if (ip.protection.delete) throw isProtected("primary IP");
    mustBeUnlocked(call.cloud, "primary_ip", ip.id);
    // Until 2026-05-01 it was unassigned on the way; since then the caller has to.
    if (ip.assignee !== null) throw unprocessable("must_be_unassigned", "the primary IP must be unassigned first");
    call.cloud.primaryIps.delete(ip.id);
    call.cloud.networkChanged();
    return { status: 204 };
  }),
  post("/primary_ips/{id}/actions/assign", (call) => {
    const ip = pathIp(call);
    const body = readBody(call, z.object({ assignee_id: id, assignee_type: z.literal("server") }));
    mustBeUnlocked(call.cloud, "primary_ip", ip.id);
    if (ip.assignee !== null) throw unprocessable("primary_ip_already_assigned", "the primary IP is already assigned");
    mustTake(call.cloud, ip, body.assignee_id);
    return actionReply(call, assign(call, ip, body.assignee_id, "assign_primary_ip"));
  }),
  post("/primary_ips/{id}/actions/unassign", (call) => {
    const ip = pathIp(call);
    mustBeUnlocked(call.cloud, "primary_ip", ip.id);
    const server = ip.assignee === null ? undefined : call.cloud.servers.get(ip.assignee);
    if (server === undefined) throw unprocessable("primary_ip_not_assigned", "the primary IP is not assigned");
    if (server.status !== "off") throw unprocessable("server_not_stopped", "the server must be powered off for this");
    return actionReply(call, assign(call, ip, null, "unassign_primary_ip"));
  }),
  post("/primary_ips/{id}/actions/change_dns_ptr", (call) => {
    const ip = pathIp(call);
    const body = readBody(call, z.object({ ip: z.string(), dns_ptr: z.string().nullable() }));
    setDnsPtr(call, [ip.id], body.ip, body.dns_ptr);
    const resources = [{ id: ip.id, type: "primary_ip" as const }];
    return actionReply(call, call.cloud.startAction({ command: "change_dns_ptr", resources, fault: call.actionFault }));
  }),
  post("/primary_ips/{id}/actions/change_protection", (call) => {
    const ip = pathIp(call);
    const body = readBody(call, z.object({ delete: z.boolean().optional() }));
    ip.protection = { delete: body.delete ?? ip.protection.delete };
    const resources = [{ id: ip.id, type: "primary_ip" as const }];
    return actionReply(
      call,
      call.cloud.startAction({ command: "change_protection", resources, fault: call.actionFault }),
    );
  }),
  ...actionRoutes("primary_ips", "primary_ip", (cloud, ipId) => cloud.primaryIps.has(ipId)),
];
