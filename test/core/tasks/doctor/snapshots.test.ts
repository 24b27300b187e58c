import { afterAll, beforeAll, expect, it } from "vitest";
import { createHetzner } from "../../../../core/base/hetzner/client.ts";
import { checkSnapshots } from "../../../../core/tasks/doctor/snapshots.ts";
import { bakingLabels } from "../../../../core/tasks/images/leftovers.ts";
import { project, stackFile } from "../../../_project.ts";
import { done, type Lab, startLab } from "../../../emulator/_lab.ts";

let lab: Lab;
beforeAll(async () => {
  lab = await startLab();
});
afterAll(() => lab.stop());

it("names what a killed bake has left: server, unfinished snapshot, and a finished one that no stack file uses", async () => {
  const check = async (image: number) =>
    checkSnapshots(createHetzner(lab.emulator), project({ stackFile: `${stackFile}  clawdlets:image: "${image}"\n` }));
  expect(await check(1)).toMatchObject([{ status: "ok", check: "snapshots" }]);
  const labels = bakingLabels("web-1", "0a0a0a0a", new Date());
  const body = { name: "web-1-image", labels, server_type: "cx23", image: "debian-12" };
  const { id } = (await done(lab, "POST", "/servers", body)).body.server;
  const snapshot = async (of: object) =>
    (await done(lab, "POST", `/servers/${id}/actions/create_image`, { type: "snapshot", labels: of })).body.image.id;
  const unfinished = await snapshot(labels);
  const finished = await snapshot({ "clawdlets-image": "web-1" });
  const used = await snapshot({ "clawdlets-image": "web-1" });
  const bakes = "clawdlets image bake --host web-1";
  const found = await check(used);
  expect(found).toMatchObject([
    { status: "warning", host: "web-1", code: "orphan" },
    { status: "warning", host: "web-1", code: "orphan" },
    { status: "warning", host: "web-1", code: "orphan" },
  ]);
  const [server, first, second] = found.map((each) => JSON.stringify(each));
  expect([server, server]).toEqual([expect.stringContaining(`(${id})`), expect.stringContaining(bakes)]);
  expect([first, first]).toEqual([expect.stringContaining(String(unfinished)), expect.stringContaining(bakes)]);
  expect(second).toContain(`clawdlets image delete ${finished}`);
}, 30_000);
