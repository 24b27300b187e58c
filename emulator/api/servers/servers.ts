import { z } from "zod";
import { locations } from "../../catalog/locations.ts";
import { type ServerType, serverTypeByName } from "../../catalog/server-types.ts";
import { addPendingBindings } from "../../cloud/firewall-bindings.ts";
import type { ServerRecord } from "../../cloud/types.ts";
import { actionRoutes, renderAction } from "../actions.ts";
import { ApiError, invalidInput, isProtected, notUnique } from "../http/errors.ts";
import { id, idOrName, labels, readBody } from "../http/input.ts";
import { list } from "../http/paging.ts";
import type { Call, Reply, Route } from "../http/router.ts";
import { del, get, post, put } from "../http/router.ts";
import { resolveImage } from "../images.ts";
import { mustBeUnlocked, pathServer, unlockedServer } from "../locks.ts";
import { attachmentFor } from "../network-addresses.ts";
import { assignPrimaryIps, releasePrimaryIps } from "./addresses.ts";
import { newMachine, newPassword } from "./machine.ts";
import { renderServer } from "./render.ts";

const USER_DATA_MAX_BYTES = 32 * 1024;
const FIREWALLS_PER_SERVER = 5;
export const SPREAD_GROUP_MAX = 10;

/** RFC 1123, as Hetzner demands of server names: they become host names. */
export const serverName = z
  .string()
  .regex(/^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/, {
    message: "is not a valid hostname (RFC 1123)",
  })
  .max(253);

export const userData = z
  .string()
  .refine((text) => Buffer.byteLength(text) <= USER_DATA_MAX_BYTES, { message: "must not be larger than 32 KiB" });

const createBody = z.object({
  name: serverName,
  server_type: idOrName,
  image: idOrName,
  location: idOrName.optional(),
  ssh_keys: z.array(idOrName).optional(),
  user_data: userData.optional(),
  start_after_create: z.boolean().optional(),
  labels: labels.optional(),
  automount: z.boolean().optional(),
  volumes: z.array(id).optional(),
  networks: z.array(id).optional(),
  firewalls: z.array(z.object({ firewall: id })).optional(),
  placement_group: id.optional(),
  public_net: z
    .object({
      enable_ipv4: z.boolean().optional(),
      enable_ipv6: z.boolean().optional(),
      ipv4: z.number().int().nullish(),
      ipv6: z.number().int().nullish(),
    })
    .optional(),
});

type CreateBody = z.output<typeof createBody>;

function create(call: Call): Reply {
  const { cloud } = call;
  const body = readBody(call, createBody);
  const chosen = choose(call, body);
  checkFirewalls(call, body);
  const authorizedKeys = (body.ssh_keys ?? []).map((wanted) => sshKey(call, wanted));
  const group = placementGroup(call, body.placement_group);

  const server: ServerRecord = {
    id: cloud.nextId("server"),
    name: body.name,
    status: "initializing",
    created: cloud.now(),
    serverType: chosen.type.name,
    image: chosen.image.id,
    location: chosen.location,
    labels: body.labels ?? {},
    protection: { delete: false, rebuild: false },
    backupWindow: null,
    rescueEnabled: false,
    iso: null,
    placementGroup: group,
    privateNet: [],
    ipv4: null,
    ipv6: null,
    primaryDiskSize: chosen.type.disk,
    userData: body.user_data ?? null,
    authorizedKeys,
    machine: newMachine(),
  };
  const wantedNetworks = (body.networks ?? []).map((network) => attachmentFor(cloud, network, server, {}));
  assignPrimaryIps(call, server, body.public_net ?? {});
  cloud.servers.set(server.id, server);
  for (const volumeId of body.volumes ?? []) {
    const volume = cloud.volumes.get(volumeId);
    if (volume !== undefined) volume.server = server.id;
  }
  for (const { firewall: firewallId } of body.firewalls ?? []) {
    const firewall = cloud.firewalls.get(firewallId);
    if (firewall === undefined) continue;
    firewall.targets.push({ type: "server", server: server.id });
    addPendingBindings(cloud, firewall);
  }

  const resources = [{ id: server.id, type: "server" as const }];
  const action = cloud.startAction({
    command: "create_server",
    resources,
    effect: { do: "server.created", server: server.id },
    fault: call.actionFault,
  });
  const next = wantedNetworks.map(({ network, ip }) =>
    cloud.startAction({
      command: "attach_to_network",
      resources: [...resources, { id: network, type: "network" }],
      effect: { do: "server.attach", server: server.id, network, ip, aliasIps: [] },
      durationMs: cloud.actionMs * 1.5,
      locks: [],
    }),
  );
  if (body.start_after_create !== false) {
    next.push(
      cloud.startAction({
        command: "start_server",
        resources,
        effect: { do: "server.power", server: server.id, to: "running", boot: true },
        durationMs: cloud.actionMs * 2,
      }),
    );
  }
  cloud.networkChanged();
  return {
    status: 201,
    body: {
      server: renderServer(cloud, server),
      action: renderAction(cloud, action),
      next_actions: next.map((item) => renderAction(cloud, item)),
      root_password: authorizedKeys.length === 0 ? newPassword() : null,
    },
  };
}

function choose(call: Call, body: CreateBody) {
  const { cloud } = call;
  const type = serverTypeByName(body.server_type);
  if (type === undefined) throw invalidInput({ server_type: `server type '${body.server_type}' not found` });
  if (isDiscontinued(type)) {
    throw invalidInput({ server_type: `server type '${type.name}' is deprecated and can no longer be ordered` });
  }
  const wanted = body.location;
  const location = wanted === undefined ? type.offeredIn[0] : locationName(wanted);
  if (location === undefined) throw invalidInput({ location: `location '${wanted}' not found` });
  if (!type.offeredIn.includes(location)) {
    throw new ApiError(422, "invalid_input", `unsupported location for server type`, {
      fields: [{ name: "location", messages: [`server type '${type.name}' is not offered in '${location}'`] }],
    });
  }
  if ([...cloud.servers.values()].some((server) => server.name === body.name)) {
    throw notUnique("name", "server name is already used");
  }
  if (cloud.soldOut.has(`${type.name} ${location}`)) {
    throw new ApiError(412, "resource_unavailable", "error during placement");
  }
  return { type, location, image: resolveImage(cloud, body.image, type) };
}

/** Whether Hetzner still gives out servers of this type there. */
export const isOrderable = (type: ServerType, location: string) =>
  type.offeredIn.includes(location) && !isDiscontinued(type);

const isDiscontinued = ({ deprecation }: ServerType) =>
  deprecation !== null && Date.parse(deprecation.unavailable_after) < Date.now();

function locationName(wanted: string): string | undefined {
  return locations.find((location) => location.name === wanted || String(location.id) === wanted)?.name;
}

function checkFirewalls(call: Call, body: CreateBody): void {
  const wanted = body.firewalls ?? [];
  for (const { firewall } of wanted) {
    if (!call.cloud.firewalls.has(firewall)) throw invalidInput({ firewalls: `firewall ${firewall} not found` });
  }
  if (wanted.length > FIREWALLS_PER_SERVER) {
    throw new ApiError(403, "resource_limit_exceeded", "a server can have at most 5 firewalls");
  }
}

function sshKey(call: Call, wanted: string): string {
  for (const key of call.cloud.sshKeys.values()) {
    if (key.name === wanted || String(key.id) === wanted) return key.publicKey;
  }
  throw invalidInput({ ssh_keys: `SSH key '${wanted}' not found` });
}

function placementGroup(call: Call, wanted: number | undefined): number | null {
  if (wanted === undefined) return null;
  if (!call.cloud.placementGroups.has(wanted)) {
    throw invalidInput({ placement_group: `placement group ${wanted} not found` });
  }
  const members = [...call.cloud.servers.values()].filter((server) => server.placementGroup === wanted);
  if (members.length >= SPREAD_GROUP_MAX) {
    throw new ApiError(412, "resource_unavailable", "error during placement: the placement group is full");
  }
  return wanted;
}

const updateBody = z.object({ name: serverName.optional(), labels: labels.optional() });

export const serversApi: Route[] = [
  post("/servers", create),
  get("/servers", (call) => {
    const statuses = call.query.getAll("status");
    const matching = [...call.cloud.servers.values()].filter(
      (server) => statuses.length === 0 || statuses.includes(server.status),
    );
    return list(call, "servers", matching, (server) => renderServer(call.cloud, server));
  }),
  get("/servers/{id}", (call) => ({
    status: 200,
    body: { server: renderServer(call.cloud, pathServer(call)) },
  })),
  put("/servers/{id}", (call) => {
    const server = pathServer(call);
    const body = readBody(call, updateBody);
    if (body.name !== undefined && body.name !== server.name) {
      if ([...call.cloud.servers.values()].some((other) => other.name === body.name)) {
        throw notUnique("name", "server name is already used");
      }
      server.name = body.name;
    }
    if (body.labels !== undefined) server.labels = body.labels;
    call.cloud.networkChanged();
    return { status: 200, body: { server: renderServer(call.cloud, server) } };
  }),
  del("/servers/{id}", (call) => {
    const { cloud } = call;
    const server = unlockedServer(call);
    if (server.protection.delete) throw isProtected("server");
    for (const volume of cloud.volumes.values()) {
      if (volume.server === server.id) mustBeUnlocked(cloud, "volume", volume.id);
    }
    for (const volume of cloud.volumes.values()) if (volume.server === server.id) volume.server = null;
    releasePrimaryIps(cloud, server);
    cloud.servers.delete(server.id);
    for (const firewall of cloud.firewalls.values()) {
      const before = firewall.bindings.length;
      firewall.targets = firewall.targets.filter((target) => target.type !== "server" || target.server !== server.id);
      firewall.bindings = firewall.bindings.filter((binding) => binding.server !== server.id);
      // Seen with the real API: right after its server is gone, a firewall cannot be deleted yet.
      if (firewall.bindings.length < before) firewall.inUseUntil = Date.now() + cloud.actionMs;
    }
    for (const [imageId, image] of cloud.images) {
      if (image.type === "backup" && image.server.id === server.id) {
        cloud.images.delete(imageId);
        cloud.machines?.imageGone(imageId);
      }
    }
    cloud.machines?.gone(server);
    cloud.networkChanged();
    const action = cloud.startAction({
      command: "delete_server",
      resources: [{ id: server.id, type: "server" }],
      fault: call.actionFault,
    });
    return { status: 200, body: { action: renderAction(cloud, action) } };
  }),
  ...actionRoutes("servers", "server", (cloud, serverId) => cloud.servers.has(serverId)),
];
