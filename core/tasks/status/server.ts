import { isIPv6 } from "node:net";
import { answerOf, type Hetzner } from "../../base/hetzner/client.ts";
import { selectorOf } from "../../base/hetzner/labels.ts";
import { allServers } from "../../base/hetzner/pages.ts";
import { addressesOf } from "../../base/hetzner/public-addresses.ts";
import { resourceTypes } from "../../base/hetzner/resource-types.ts";
import type { Layout } from "../../project/layout.ts";
import { readHostState } from "../../project/state/state.ts";
import { type Cost, costOf, readPrices } from "./cost.ts";

/** What Hetzner says about a host's server. Empty if there is none. */
export interface ServerStatus {
  server?: { id: number; type: string; location: string; state: string };
  ipv4?: string;
  /** First address of its network. */
  ipv6?: string;
  cost?: Cost;
}

/** Finds the server by the id in the state, or by our labels. */
export async function readServer(hetzner: Hetzner, layout: Layout, host: string): Promise<ServerStatus> {
  const known = readHostState(layout, host).value?.resources.find(({ type }) => type === resourceTypes.server)?.id;
  const servers = await allServers(hetzner, `look for the server of ${host}`, selectorOf(host));
  const found = servers.find(({ id }) => String(id) === known) ?? servers[0] ?? (await byId(hetzner, known));
  if (!found) return {};
  const volumes = await Promise.all(found.volumes?.map((id) => volumeGb(hetzner, id)) ?? []);
  const ipv4 = found.public_net.ipv4?.ip;
  const ipv6 = addressesOf(found).find(isIPv6);
  // The API only has `location` since it dropped data centers.
  const location = found.location.name;
  const cost = costOf(await readPrices(hetzner), {
    serverType: found.server_type.name,
    location,
    hasIpv4: ipv4 !== undefined,
    hasBackups: found.backup_window !== null && found.backup_window !== undefined,
    volumeGb: volumes.reduce((sum, size) => sum + size, 0),
  });
  return {
    server: { id: found.id, type: found.server_type.name, location, state: found.status },
    ...(ipv4 !== undefined && { ipv4 }),
    ...(ipv6 !== undefined && { ipv6 }),
    ...(cost && { cost }),
  };
}

async function byId(hetzner: Hetzner, id: string | undefined) {
  if (id === undefined) return undefined;
  const path = { id: Number(id) };
  return (await answerOf("read the server", hetzner.GET("/servers/{id}", { params: { path } }))).server;
}

async function volumeGb(hetzner: Hetzner, id: number): Promise<number> {
  const { volume } = await answerOf("get the volume", hetzner.GET("/volumes/{id}", { params: { path: { id } } }));
  return volume.size;
}
