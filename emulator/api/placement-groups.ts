import { z } from "zod";
import type { PlacementGroupRecord } from "../cloud/types.ts";
import { notUnique, unprocessable } from "./http/errors.ts";
import { labels, name, pathId, readBody } from "./http/input.ts";
import { list } from "./http/paging.ts";
import type { Call, Route } from "./http/router.ts";
import { del, get, post, put } from "./http/router.ts";
import { found } from "./locks.ts";
import { renderPlacementGroup } from "./servers/render.ts";

function pathGroup(call: Call): PlacementGroupRecord {
  return found("placement group", call.cloud.placementGroups, pathId(call));
}

function nameMustBeFree(call: Call, wanted: string, except?: number): void {
  for (const other of call.cloud.placementGroups.values()) {
    if (other.name === wanted && other.id !== except) throw notUnique("name");
  }
}

export const placementGroupsApi: Route[] = [
  post("/placement_groups", (call) => {
    const body = readBody(call, z.object({ name, type: z.literal("spread"), labels: labels.optional() }));
    nameMustBeFree(call, body.name);
    const group: PlacementGroupRecord = {
      id: call.cloud.nextId("placement_group"),
      name: body.name,
      labels: body.labels ?? {},
      created: call.cloud.now(),
      type: body.type,
    };
    call.cloud.placementGroups.set(group.id, group);
    call.cloud.onChange();
    return { status: 201, body: { placement_group: renderPlacementGroup(call.cloud, group), action: null } };
  }),
  get("/placement_groups", (call) => {
    const type = call.query.get("type");
    const groups = [...call.cloud.placementGroups.values()].filter((group) => type === null || group.type === type);
    return list(call, "placement_groups", groups, (group) => renderPlacementGroup(call.cloud, group));
  }),
  get("/placement_groups/{id}", (call) => ({
    status: 200,
    body: { placement_group: renderPlacementGroup(call.cloud, pathGroup(call)) },
  })),
  put("/placement_groups/{id}", (call) => {
    const group = pathGroup(call);
    const body = readBody(call, z.object({ name: name.optional(), labels: labels.optional() }));
    if (body.name !== undefined) nameMustBeFree(call, body.name, group.id);
    group.name = body.name ?? group.name;
    group.labels = body.labels ?? group.labels;
    call.cloud.onChange();
    return { status: 200, body: { placement_group: renderPlacementGroup(call.cloud, group) } };
  }),
  del("/placement_groups/{id}", (call) => {
    const group = pathGroup(call);
    for (const server of call.cloud.servers.values()) {
      if (server.placementGroup === group.id) {
        throw unprocessable("resource_in_use", "the placement group still has servers");
      }
    }
    call.cloud.placementGroups.delete(group.id);
    call.cloud.onChange();
    return { status: 204 };
  }),
];
