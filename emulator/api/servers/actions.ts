import { z } from "zod";
import { isos } from "../../catalog/isos.ts";
import { serverTypeByName } from "../../catalog/server-types.ts";
import type { Effect, ServerRecord } from "../../cloud/types.ts";
import { actionReply, renderAction } from "../actions.ts";
import { setDnsPtr } from "../dns-ptr.ts";
import { ApiError, invalidInput, unprocessable } from "../http/errors.ts";
import { id, idOrName, readBody } from "../http/input.ts";
import type { Call, Route } from "../http/router.ts";
import { get, post } from "../http/router.ts";
import { found, pathServer, unlockedServer } from "../locks.ts";
import { newPassword } from "./machine.ts";
import { isOrderable, SPREAD_GROUP_MAX } from "./servers.ts";

export function startOnServer(call: Call, server: ServerRecord, command: string, effect?: Effect) {
  return call.cloud.startAction({
    command,
    resources: [{ id: server.id, type: "server" }],
    ...(effect === undefined ? {} : { effect }),
    fault: call.actionFault,
  });
}

function simple(
  path: string,
  command: string,
  effect: (call: Call, server: ServerRecord) => Effect | undefined,
): Route {
  return post(`/servers/{id}/actions/${path}`, (call) => {
    const server = unlockedServer(call);
    return actionReply(call, startOnServer(call, server, command, effect(call, server)));
  });
}

function mustBeOff(server: ServerRecord): void {
  if (server.status !== "off") throw unprocessable("server_not_stopped", "the server must be powered off for this");
}

const power: Route[] = [
  simple("poweron", "start_server", (_call, server) => ({
    do: "server.power",
    server: server.id,
    to: "running",
    boot: server.status !== "running",
  })),
  simple("poweroff", "stop_server", (_call, server) => ({
    do: "server.power",
    server: server.id,
    to: "off",
    boot: false,
  })),
  // The guest obeys ACPI at once here; the real one may take as long as it likes, or ignore it.
  simple("shutdown", "shutdown_server", (_call, server) => ({
    do: "server.power",
    server: server.id,
    to: "off",
    boot: false,
  })),
  simple("reboot", "reboot_server", (_call, server) => mustRun(server)),
  simple("reset", "reset_server", (_call, server) => mustRun(server)),
];

function mustRun(server: ServerRecord): Effect {
  if (server.status === "off") throw unprocessable("service_error", "the server is powered off");
  return { do: "server.power", server: server.id, to: "running", boot: true };
}

const settings: Route[] = [
  simple("change_protection", "change_protection", (call, server) => {
    const body = readBody(call, z.object({ delete: z.boolean().optional(), rebuild: z.boolean().optional() }));
    const wanted = {
      delete: body.delete ?? server.protection.delete,
      rebuild: body.rebuild ?? server.protection.rebuild,
    };
    if (wanted.delete !== wanted.rebuild) {
      throw invalidInput({ delete: "delete and rebuild protection must have the same value" });
    }
    return { do: "server.protection", server: server.id, ...wanted };
  }),
  simple("change_type", "change_server_type", (call, server) => {
    const body = readBody(call, z.object({ server_type: idOrName, upgrade_disk: z.boolean() }));
    const type = serverTypeByName(body.server_type);
    const current = serverTypeByName(server.serverType);
    if (type === undefined) throw invalidInput({ server_type: `server type '${body.server_type}' not found` });
    mustBeOff(server);
    if (type.name === server.serverType || type.architecture !== current?.architecture) {
      throw unprocessable("invalid_server_type", "the server type does not fit for the given server");
    }
    if (!isOrderable(type, server.location)) {
      throw unprocessable("invalid_server_type", "the server type is deprecated or not available in this location");
    }
    if (call.cloud.soldOut.has(`${type.name} ${server.location}`)) {
      throw new ApiError(412, "resource_unavailable", "error during placement");
    }
    if (type.disk < server.primaryDiskSize) {
      throw unprocessable("invalid_server_type", "the disk of the server type is too small for the server");
    }
    server.status = "migrating";
    return { do: "server.type", server: server.id, serverType: type.name, upgradeDisk: body.upgrade_disk };
  }),
  simple("enable_backup", "enable_backup", (_call, server) => ({
    do: "server.backup",
    server: server.id,
    window: "22-02",
  })),
  simple("disable_backup", "disable_backup", (call, server) => {
    for (const [imageId, image] of call.cloud.images) {
      if (image.type === "backup" && image.server.id === server.id) call.cloud.images.delete(imageId);
    }
    return { do: "server.backup", server: server.id, window: null };
  }),
  simple("attach_iso", "attach_iso", (call, server) => {
    const body = readBody(call, z.object({ iso: idOrName }));
    const iso = isos.find((candidate) => candidate.name === body.iso || String(candidate.id) === body.iso);
    if (iso === undefined) throw invalidInput({ iso: `ISO '${body.iso}' not found` });
    return { do: "server.iso", server: server.id, iso: iso.id };
  }),
  simple("detach_iso", "detach_iso", (_call, server) => ({ do: "server.iso", server: server.id, iso: null })),
  simple("disable_rescue", "disable_rescue", (_call, server) => ({
    do: "server.rescue",
    server: server.id,
    enabled: false,
  })),
  simple("add_to_placement_group", "add_to_placement_group", (call, server) => {
    const body = readBody(call, z.object({ placement_group: id }));
    found("placement group", call.cloud.placementGroups, body.placement_group);
    mustBeOff(server);
    const members = [...call.cloud.servers.values()].filter((other) => other.placementGroup === body.placement_group);
    if (members.length >= SPREAD_GROUP_MAX) {
      throw new ApiError(412, "resource_unavailable", "error during placement: the placement group is full");
    }
    return { do: "server.placement", server: server.id, group: body.placement_group };
  }),
  simple("remove_from_placement_group", "remove_from_placement_group", (_call, server) => ({
    do: "server.placement",
    server: server.id,
    group: null,
  })),
  post("/servers/{id}/actions/change_dns_ptr", (call) => {
    const server = pathServer(call);
    const body = readBody(call, z.object({ ip: z.string(), dns_ptr: z.string().nullable() }));
    setDnsPtr(call, [server.ipv4, server.ipv6], body.ip, body.dns_ptr);
    const resources = [{ id: server.id, type: "server" as const }];
    // A name in the DNS: nothing that the server would have to be held still for.
    const given = { command: "change_dns_ptr", resources, locks: [], fault: call.actionFault };
    return actionReply(call, call.cloud.startAction(given));
  }),
];

export const serverActionsApi: Route[] = [
  ...power,
  ...settings,
  post("/servers/{id}/actions/enable_rescue", (call) => {
    const server = unlockedServer(call);
    const body = readBody(call, z.object({ type: z.literal("linux64").optional(), ssh_keys: z.array(id).optional() }));
    for (const key of body.ssh_keys ?? []) found("SSH key", call.cloud.sshKeys, key);
    const action = startOnServer(call, server, "enable_rescue", {
      do: "server.rescue",
      server: server.id,
      enabled: true,
    });
    return { status: 201, body: { action: renderAction(call.cloud, action), root_password: newPassword() } };
  }),
  post("/servers/{id}/actions/reset_password", (call) => {
    const action = startOnServer(call, unlockedServer(call), "reset_server_password");
    return { status: 201, body: { action: renderAction(call.cloud, action), root_password: newPassword() } };
  }),
  post("/servers/{id}/actions/request_console", (call) => {
    const action = startOnServer(call, pathServer(call), "request_console");
    const body = {
      action: renderAction(call.cloud, action),
      wss_url: "wss://console.emulator.example/",
      password: newPassword(),
    };
    return { status: 201, body };
  }),
  get("/servers/{id}/metrics", (call) => {
    pathServer(call);
    const start = call.query.get("start");
    const end = call.query.get("end");
    if (start === null || end === null) throw invalidInput({ start: "start and end are required" });
    return { status: 200, body: { metrics: { start, end, step: 60, time_series: {} } } };
  }),
];
