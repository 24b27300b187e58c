import { z } from "zod";
import { locationByName } from "../catalog/locations.ts";
import type { VolumeRecord } from "../cloud/types.ts";
import { actionReply, actionRoutes, renderAction } from "./actions.ts";
import { invalidInput, isProtected, notUnique, unprocessable } from "./http/errors.ts";
import { id, idOrName, labels, name, pathId, readBody } from "./http/input.ts";
import { list } from "./http/paging.ts";
import type { Call, Reply, Route } from "./http/router.ts";
import { del, get, post, put } from "./http/router.ts";
import { found, mustBeUnlocked } from "./locks.ts";

function render(volume: VolumeRecord): unknown {
  return {
    id: volume.id,
    name: volume.name,
    labels: volume.labels,
    created: volume.created,
    size: volume.size,
    server: volume.server,
    location: locationByName(volume.location) ?? null,
    format: volume.format,
    status: volume.status,
    linux_device: `/dev/disk/by-id/scsi-0HC_Volume_${volume.id}`,
    protection: volume.protection,
  };
}

function pathVolume(call: Call): VolumeRecord {
  return found("volume", call.cloud.volumes, pathId(call));
}

function unlockedVolume(call: Call): VolumeRecord {
  const volume = pathVolume(call);
  mustBeUnlocked(call.cloud, "volume", volume.id);
  return volume;
}

function nameMustBeFree(call: Call, wanted: string, except?: number): void {
  for (const other of call.cloud.volumes.values()) {
    if (other.name === wanted && other.id !== except) throw notUnique("name");
  }
}

const size = z.number().int().min(10, "must be at least 10 GB").max(10_240, "must be at most 10240 GB");

const createBody = z.object({
  name,
  size,
  server: id.optional(),
  location: idOrName.optional(),
  labels: labels.optional(),
  automount: z.boolean().optional(),
  format: z.enum(["ext4", "xfs"]).optional(),
});

function create(call: Call): Reply {
  const { cloud } = call;
  const body = readBody(call, createBody);
  nameMustBeFree(call, body.name);
  const server = body.server === undefined ? undefined : found("server", cloud.servers, body.server);
  const location = server?.location ?? locationByName(body.location ?? "")?.name;
  if (location === undefined) throw invalidInput({ location: "location or server is required and must exist" });
  const volume: VolumeRecord = {
    id: cloud.nextId("volume"),
    name: body.name,
    labels: body.labels ?? {},
    created: cloud.now(),
    size: body.size,
    server: server?.id ?? null,
    location,
    format: body.format ?? null,
    status: "creating",
    protection: { delete: false },
  };
  cloud.volumes.set(volume.id, volume);
  const resources = [{ id: volume.id, type: "volume" as const }];
  const effect = { do: "volume.ready", volume: volume.id } as const;
  const action = cloud.startAction({ command: "create_volume", resources, effect, fault: call.actionFault });
  const next = server === undefined ? [] : [attach(call, volume, server.id, "attach_volume")];
  return {
    status: 201,
    body: {
      volume: render(volume),
      action: renderAction(cloud, action),
      next_actions: next.map((item) => renderAction(cloud, item)),
    },
  };
}

function attach(call: Call, volume: VolumeRecord, server: number | null, command: string) {
  const other = server ?? volume.server;
  return call.cloud.startAction({
    command,
    resources: [{ id: volume.id, type: "volume" }, ...(other === null ? [] : [{ id: other, type: "server" as const }])],
    effect: { do: "volume.attach", volume: volume.id, server },
    fault: call.actionFault,
  });
}

export const volumesApi: Route[] = [
  post("/volumes", create),
  get("/volumes", (call) => {
    const statuses = call.query.getAll("status");
    const volumes = [...call.cloud.volumes.values()].filter(
      (volume) => statuses.length === 0 || statuses.includes(volume.status),
    );
    return list(call, "volumes", volumes, render);
  }),
  get("/volumes/{id}", (call) => ({ status: 200, body: { volume: render(pathVolume(call)) } })),
  put("/volumes/{id}", (call) => {
    const volume = pathVolume(call);
    const body = readBody(call, z.object({ name: name.optional(), labels: labels.optional() }));
    if (body.name !== undefined) nameMustBeFree(call, body.name, volume.id);
    volume.name = body.name ?? volume.name;
    volume.labels = body.labels ?? volume.labels;
    call.cloud.onChange();
    return { status: 200, body: { volume: render(volume) } };
  }),
  del("/volumes/{id}", (call) => {
    const volume = unlockedVolume(call);
    if (volume.protection.delete) throw isProtected("volume");
    if (volume.server !== null) throw unprocessable("resource_in_use", "the volume is attached to a server");
    call.cloud.volumes.delete(volume.id);
    call.cloud.onChange();
    return { status: 204 };
  }),
  post("/volumes/{id}/actions/attach", (call) => {
    const volume = unlockedVolume(call);
    const body = readBody(call, z.object({ server: id, automount: z.boolean().optional() }));
    if (volume.server !== null)
      throw unprocessable("volume_already_attached", "volume is already attached to a server");
    const server = found("server", call.cloud.servers, body.server);
    if (server.location !== volume.location) throw invalidInput({ server: "the server is in another location" });
    mustBeUnlocked(call.cloud, "server", server.id);
    return actionReply(call, attach(call, volume, server.id, "attach_volume"));
  }),
  post("/volumes/{id}/actions/detach", (call) => {
    const volume = unlockedVolume(call);
    if (volume.server === null) throw unprocessable("service_error", "the volume is not attached");
    return actionReply(call, attach(call, volume, null, "detach_volume"));
  }),
  post("/volumes/{id}/actions/resize", (call) => {
    const volume = unlockedVolume(call);
    const body = readBody(call, z.object({ size }));
    if (body.size <= volume.size) throw invalidInput({ size: "a volume can only grow" });
    const resources = [{ id: volume.id, type: "volume" as const }];
    const effect = { do: "volume.resize", volume: volume.id, size: body.size } as const;
    return actionReply(
      call,
      call.cloud.startAction({ command: "resize_volume", resources, effect, fault: call.actionFault }),
    );
  }),
  post("/volumes/{id}/actions/change_protection", (call) => {
    const volume = pathVolume(call);
    const body = readBody(call, z.object({ delete: z.boolean().optional() }));
    volume.protection = { delete: body.delete ?? volume.protection.delete };
    const resources = [{ id: volume.id, type: "volume" as const }];
    return actionReply(
      call,
      call.cloud.startAction({ command: "change_protection", resources, fault: call.actionFault }),
    );
  }),
  ...actionRoutes("volumes", "volume", (cloud, volumeId) => cloud.volumes.has(volumeId)),
];
