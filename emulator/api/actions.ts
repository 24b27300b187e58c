import type { Cloud } from "../cloud/cloud.ts";
import type { ActionRecord, Kind } from "../cloud/types.ts";
import { ApiError, invalidInput, notFound } from "./http/errors.ts";
import { pathId } from "./http/input.ts";
import { list } from "./http/paging.ts";
import type { Call, Reply, Route } from "./http/router.ts";
import { get } from "./http/router.ts";

export function renderAction(cloud: Cloud, action: ActionRecord): unknown {
  return {
    id: action.id,
    command: action.command,
    status: action.status,
    progress: cloud.progress(action),
    started: action.started,
    finished: action.finished,
    resources: action.resources,
    error: action.error,
  };
}

/** The answer of almost every POST on `…/actions/…`. */
export function actionReply(call: Call, action: ActionRecord): Reply {
  return { status: 201, body: { action: renderAction(call.cloud, action) } };
}

/** The four ways to read the actions of one kind of resource. */
export function actionRoutes(collection: string, kind: Kind, exists: (cloud: Cloud, id: number) => boolean): Route[] {
  const concerns = (action: ActionRecord, id?: number) =>
    action.resources.some((resource) => resource.type === kind && (id === undefined || resource.id === id));
  const listed = (call: Call, id?: number) => {
    const statuses = call.query.getAll("status");
    const found = [...call.cloud.actions.values()].filter(
      (action) => concerns(action, id) && (statuses.length === 0 || statuses.includes(action.status)),
    );
    return list(withoutUnknownSort(call), "actions", found, (action) => renderAction(call.cloud, action));
  };
  const one = (call: Call, actionId: number, id?: number) => {
    const action = call.cloud.actions.get(actionId);
    if (action === undefined || !concerns(action, id)) throw notFound("action", actionId);
    return { status: 200, body: { action: renderAction(call.cloud, action) } };
  };
  const mustExist = (call: Call) => {
    const id = pathId(call);
    if (!exists(call.cloud, id)) throw notFound(kind, id);
    return id;
  };
  return [
    get(`/${collection}/actions`, (call) => listed(call)),
    get(`/${collection}/actions/{id}`, (call) => one(call, pathId(call))),
    get(`/${collection}/{id}/actions`, (call) => listed(call, mustExist(call))),
    get(`/${collection}/{id}/actions/{action_id}`, (call) => one(call, pathId(call, "action_id"), mustExist(call))),
  ];
}

export const actionsApi: Route[] = [
  get("/actions", (call) => {
    const ids = call.query.getAll("id");
    // Listing all actions of a project was removed on 2025-01-30; only explicit ids are answered.
    if (ids.length === 0) {
      throw new ApiError(410, "deprecated_api_endpoint", "listing all actions was removed, pass the ids of actions", {
        announcement: "https://docs.hetzner.cloud/changelog#2023-07-20-actions-list-endpoint-is-deprecated",
      });
    }
    const found = ids.map((text) => {
      if (!/^[0-9]+$/.test(text)) throw invalidInput({ id: `'${text}' is not an action id` });
      return call.cloud.actions.get(Number(text));
    });
    const actions = found.filter((action) => action !== undefined);
    return list(withoutUnknownSort(call), "actions", actions, (action) => renderAction(call.cloud, action));
  }),
  get("/actions/{id}", (call) => {
    const id = pathId(call);
    const action = call.cloud.actions.get(id);
    if (action === undefined) throw notFound("action", id);
    return { status: 200, body: { action: renderAction(call.cloud, action) } };
  }),
];

/** Actions are sorted by fields that other lists do not have; ids are in the order of their start, so id stands for it. */
function withoutUnknownSort(call: Call): Call {
  const query = new URLSearchParams(call.query);
  const wishes = query.getAll("sort");
  query.delete("sort");
  for (const wish of wishes) query.append("sort", wish.replace(/^(started|finished|status|progress|command)\b/, "id"));
  query.delete("name");
  query.delete("label_selector");
  return { ...call, query };
}
