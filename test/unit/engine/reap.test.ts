import { expect, it } from "vitest";
import { resourcesOf } from "../../../engine/reap.ts";

const urn = (type: string, name: string) => `urn:pulumi:prod::clawdlets::${type}::${name}`;
const group = "clawdlets:index:HostGroup";
const pet = (slot: number) => ({ urn: urn(`${group}$random:index/randomPet:RandomPet`, `w-${slot}`) });
const leaving = (slot: number) => ({
  urn: urn(`${group}$command:local:Command`, `w-${slot}-leaving`),
  dependencies: [pet(slot).urn],
});
const host = (slot: number, name: string) => ({
  urn: urn(`${group}$command:local:Command$clawdlets:index:Host`, name),
  parent: leaving(slot).urn,
});
const server = (slot: number, name: string) => ({
  urn: urn("clawdlets:index:Host$hcloud:index/server:Server", `${name}-server`),
  parent: host(slot, name).urn,
});
const outlived = { group: "w", slot: 1, host: "w-red-ox", stack: "prod", createdAt: "", expiredAt: "" };
const own = [pet(1), leaving(1), host(1, "w-red-ox"), server(1, "w-red-ox")];
const others = [
  { urn: urn("pulumi:pulumi:Stack", "clawdlets-prod") },
  { urn: urn(group, "w") },
  pet(11),
  leaving(11),
  host(11, "w-tan-hen"),
  server(11, "w-tan-hen"),
  { urn: urn("clawdlets:index:Host", "web-1") },
  { urn: urn("random:index/randomPet:RandomPet", "w-1") },
];

it("are a host's own, and none of the group's others", () => {
  expect(resourcesOf(outlived, [...others, ...own])).toEqual(own);
  expect(resourcesOf(outlived, others)).toEqual([]);
});

it("include what depends on the host, wherever it is in the state", () => {
  const network = {
    urn: urn("hcloud:index/serverNetwork:ServerNetwork", "x"),
    dependencies: [server(1, "w-red-ox").urn],
  };
  expect(resourcesOf(outlived, [network, ...others, ...own])).toEqual([network, ...own]);
});

it("are refused if another host depends on the host", () => {
  const web = { urn: urn("clawdlets:index:Host", "web-2"), dependencies: [server(1, "w-red-ox").urn] };
  expect(() => resourcesOf(outlived, [...own, web])).toThrow(
    /w-red-ox: not destroyed: web-2 depends on it.*Remove the dependency of web-2/,
  );
});
