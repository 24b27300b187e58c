import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { layoutOf } from "../../../../../core/project/layout.ts";
import { readTofuState } from "../../../../../core/tasks/adopt/tofu-state.ts";
import { temporaryFolder } from "../../../../_project.ts";
import { recordedState } from "../../../../engine/_recorded-tofu.ts";

/** States of several hosts, encrypted and moved ones are read in test/engine/adopt-tofu.test.ts, as OpenTofu writes them. */
const host = "clawdbot-fleet-host";

interface Resource {
  module?: string;
  mode: string;
  type: string;
  name: string;
  instances: { index_key?: string | number; deposed?: string; attributes: Record<string, unknown> }[];
}

/** @param change of the resources of the recorded state: the firewall, then the server */
function read(change: (firewall: Resource, server: Resource) => Resource[]) {
  const layout = layoutOf(temporaryFolder());
  const file = join(layout.root, "terraform.tfstate");
  const state = JSON.parse(recordedState());
  const resources = change(state.resources[0], state.resources[1]);
  writeFileSync(file, JSON.stringify({ ...state, resources }));
  return readTofuState(layout, host, file);
}

const withId = (resource: Resource, id: string, more: Partial<Resource["instances"][number]> = {}): Resource => ({
  ...resource,
  instances: resource.instances.map(({ attributes }) => ({ ...more, attributes: { ...attributes, id } })),
});

it("takes ids and addresses from a state as it was recorded, and nothing else", () => {
  expect(read((firewall, server) => [firewall, server])).toEqual({
    serverId: 100000001,
    firewallId: 2000001,
    where: "terraform.tfstate",
    addresses: ["module.clawdbot_fleet_host.hcloud_server.vm", "module.clawdbot_fleet_host.hcloud_firewall.fw"],
    others: [],
  });
});

it("writes addresses as OpenTofu does, for what is made by for_each too", () => {
  const key = { index_key: 'a"b' };
  const volume: Resource = {
    mode: "managed",
    type: "hcloud_volume",
    name: "data",
    instances: [{ index_key: 0, attributes: {} }],
  };
  const { addresses, others } = read((firewall, server) => [withId(firewall, "2000001", key), server, volume]);
  expect(addresses[1]).toBe('module.clawdbot_fleet_host.hcloud_firewall.fw["a\\"b"]');
  expect(others).toEqual(["hcloud_volume.data[0]"]);
});

it("leaves out what OpenTofu only reads", () => {
  const { others } = read((firewall, server) => [firewall, server, { ...withId(server, "7"), mode: "data" }]);
  expect(others).toEqual([]);
});

it.each<[string, Parameters<typeof read>[0], string]>([
  ["a destroyed host", () => [], `has no server "${host}"; it has none. Check if it was destroyed`],
  ["two servers of one name", (firewall, server) => [firewall, server, withId(server, "7")], "has two servers"],
  [
    "a server that a replacement has left behind",
    (firewall, server) => [firewall, server, withId(server, "7", { deposed: "0a1b2c3d" })],
    "has two servers",
  ],
  ["a firewall that is elsewhere", (_, server) => [server], "needs exactly one firewall of this state; it has none"],
  [
    "two firewalls",
    (firewall, server) => {
      const both = {
        ...server,
        instances: server.instances.map(({ attributes }) => ({
          attributes: { ...attributes, firewall_ids: [2000001, 5] },
        })),
      };
      return [firewall, withId(firewall, "5"), both];
    },
    `it has ${host}-fw (2000001), ${host}-fw (5)`,
  ],
  ["a resource without a type", (firewall) => [{ ...firewall, type: 4 as never }], "is not an OpenTofu state"],
])("refuses %s", (_, change, reason) => {
  expect(() => read(change)).toThrow(reason);
});
