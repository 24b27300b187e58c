import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { createHetzner } from "../../../../core/base/hetzner/client.ts";
import { bakingLabels, removeBaking } from "../../../../core/tasks/images/leftovers.ts";
import { done, type Lab, startLab, until } from "../../../emulator/_lab.ts";

let lab: Lab;
beforeAll(async () => {
  lab = await startLab();
});
afterAll(() => lab.stop());

const hetzner = () => createHetzner(lab.emulator);
const kinds = ["servers", "firewalls", "ssh_keys", "images?type=snapshot"];
const list = async (kind: string) => Object.values((await lab.api("GET", `/${kind}`)).body)[0] as { id: number }[];
const left = async () => Promise.all(kinds.map(async (kind) => (await list(kind)).length));
const faults = (rules: unknown) => lab.api("POST", "/_emulator/faults", rules);

let serverId = 0;
const publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIDdMh7MCVQaoIaJhdJqPmMaV0H3aiyW3HVfpfuHdmTb";

beforeEach(async () => {
  const labels = bakingLabels("web-1", "0a0a0a0a", new Date(Date.now() + 3_600_000));
  const { firewall } = (await done(lab, "POST", "/firewalls", { name: "web-1-image", labels, rules: [] })).body;
  await done(lab, "POST", "/ssh_keys", { name: "web-1-image", labels, public_key: publicKey });
  const body = { name: "web-1-image", labels, server_type: "cx23", image: "debian-12" };
  const { server } = (await done(lab, "POST", "/servers", { ...body, firewalls: [{ firewall: firewall.id }] })).body;
  serverId = server.id;
  const image = { type: "snapshot", labels, description: "web-1" };
  await done(lab, "POST", `/servers/${serverId}/actions/create_image`, image);
  expect(await left()).toEqual([1, 1, 1, 1]);
});

afterEach(async () => {
  await faults([]);
  await removeBaking(hetzner(), "web-1", ["0a0a0a0a"]);
});

it("deletes everything that a killed bake of this machine bought, and nothing else", async () => {
  await done(lab, "POST", `/servers/${serverId}/actions/create_image`, { type: "snapshot", labels: { mine: "yes" } });
  await removeBaking(hetzner(), "web-1", ["0a0a0a0a"]);
  expect(await left()).toEqual([0, 0, 0, 1]);
  for (const { id } of await list("images?type=snapshot")) await lab.api("DELETE", `/images/${id}`);
});

it("leaves the bake of another machine alone, until its time is up", async () => {
  await expect(removeBaking(hetzner(), "web-1", ["0b0b0b0b"])).rejects.toMatchObject({
    exitCode: 5,
    message: expect.stringMatching(
      new RegExp(`^web-1: another machine may be baking it: .*temporary server "web-1-image" \\(${serverId}\\)`),
    ),
  });
  expect(await left()).toEqual([1, 1, 1, 1]);
  const overdue = bakingLabels("web-1", "0a0a0a0a", new Date(Date.now() - 1000));
  for (const kind of kinds)
    for (const { id } of await list(kind)) await lab.api("PUT", `/${kind.split("?")[0]}/${id}`, { labels: overdue });
  await removeBaking(hetzner(), "web-1", ["0b0b0b0b"]);
  expect(await left()).toEqual([0, 0, 0, 0]);
});

it.each([
  ["server", "/servers/{id}", [1, 1, 0, 0]],
  ["snapshot", "/images/{id}", [0, 0, 0, 1]],
  ["key", "/ssh_keys/{id}", [0, 0, 1, 0]],
])("goes on with the others if a %s cannot be deleted, and names it", async (_, path, expected) => {
  const respond = { status: 403, code: "protected", message: "deletion is protected" };
  // Its firewall would be asked for again until the server is gone.
  const inUse = { status: 403, code: "protected", message: "still in use" };
  await faults([
    { match: { method: "DELETE", path }, fault: { respond } },
    ...(path === "/servers/{id}"
      ? [{ match: { method: "DELETE", path: "/firewalls/{id}" }, fault: { respond: inUse } }]
      : []),
  ]);
  await expect(removeBaking(hetzner(), "web-1", ["0a0a0a0a"])).rejects.toMatchObject({
    exitCode: 6,
    message: expect.stringMatching(/could not delete everything .*COST MONEY[\s\S]*\(?\d+\)?: .*deletion is protected/),
  });
  expect(await left()).toEqual(expected);
});

it("waits for a server that is locked by its snapshot", async () => {
  await faults([
    { match: { method: "POST", path: "/servers/{id}/actions/create_image" }, fault: { action: { durationMs: 1500 } } },
  ]);
  const labels = bakingLabels("web-1", "0a0a0a0a", new Date());
  await lab.api("POST", `/servers/${serverId}/actions/create_image`, { type: "snapshot", labels });
  expect((await lab.api("DELETE", `/servers/${serverId}`)).status).toBe(423);
  await removeBaking(hetzner(), "web-1", ["0a0a0a0a"]);
  await until("nothing is left", async () => (await left()).every((count) => count === 0));
});
