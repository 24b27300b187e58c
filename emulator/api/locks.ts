import type { Cloud } from "../cloud/cloud.ts";
import type { FirewallRecord, Kind, ServerRecord } from "../cloud/types.ts";
import { locked, notFound } from "./http/errors.ts";
import { pathId } from "./http/input.ts";
import type { Call } from "./http/router.ts";

/** The server of the path. @throws ApiError 404 */
export function pathServer(call: Call): ServerRecord {
  return found("server", call.cloud.servers, pathId(call));
}

/** The server of the path, free to be changed. @throws ApiError 404, 423 */
export function unlockedServer(call: Call): ServerRecord {
  const server = pathServer(call);
  mustBeUnlocked(call.cloud, "server", server.id);
  return server;
}

export function pathFirewall(call: Call): FirewallRecord {
  return found("firewall", call.cloud.firewalls, pathId(call));
}

export function found<T>(kind: string, items: Map<number, T>, id: number): T {
  const item = items.get(id);
  if (item === undefined) throw notFound(kind, id);
  return item;
}

export function mustBeUnlocked(cloud: Cloud, kind: Kind, id: number): void {
  if (cloud.lockOf(kind, id) !== null) throw locked();
}
