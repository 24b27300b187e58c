import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Demo, prepareDemo } from "../../cli/demo/prepare.ts";
import { runDemo } from "../../cli/demo/run.ts";
import { addToStackFile } from "../../core/project/settings/stack-file.ts";
import { engineEnvironment } from "../../engine/environment.ts";
import { findEngine } from "../../engine/find-engine.ts";
import { repository } from "../_repository.ts";
import { clientOf, until } from "../emulator/_lab.ts";

/** A host whose server starts from a snapshot, from nothing to locked, by the real engine. */
const folder = mkdtempSync(join(tmpdir(), "clawdlets-image-"));
const engine = findEngine(repository);
const progress = Object.assign((_: string) => undefined, { startedAt: Date.now() });
let demo: Demo;

beforeAll(async () => {
  demo = await prepareDemo(progress, { root: join(folder, "project"), data: join(folder, "emulator") });
}, 60_000);

afterAll(async () => {
  await demo?.close();
  rmSync(folder, { recursive: true, force: true });
});

const api = (method: string, path: string, body?: unknown) => {
  const environment = engineEnvironment(demo.layout, engine ?? ({} as never));
  return clientOf(environment["HCLOUD_ENDPOINT"] ?? "", environment["HCLOUD_TOKEN"] ?? "")(method, path, body);
};

/** The id of a snapshot of a server that is gone. */
async function snapshot(): Promise<number> {
  const body = { name: "base", server_type: "cx43", image: "debian-12", location: "nbg1" };
  const { server } = (await api("POST", "/servers", body)).body;
  const isRunning = async () => (await api("GET", `/servers/${server.id}`)).body.server.status === "running";
  await until("the base runs", isRunning);
  const { image } = (await api("POST", `/servers/${server.id}/actions/create_image`, { type: "snapshot" })).body;
  await until("the snapshot is there", async () => {
    return (await api("GET", `/images/${image.id}`)).body.image.status === "available";
  });
  await until("the base is gone", async () => (await api("DELETE", `/servers/${server.id}`)).status !== 423);
  return image.id;
}

it("a server of a snapshot is installed and locked down, and a changed image has no effect afterwards", async () => {
  const image = await snapshot();
  await addToStackFile(demo.layout, demo.host, { image: String(image) }, ["image"]);
  const { ok, ssh, installRuns } = await runDemo(demo, progress);
  expect({ ok, installRuns, after: ssh.afterInstall }).toEqual({ ok: true, installRuns: 1, after: "closed" });
  const [server] = (await api("GET", `/servers?name=${demo.host}`)).body.servers;
  expect(server.image.id).toBe(image);
  await api("DELETE", `/images/${image}`);
  await addToStackFile(demo.layout, demo.host, { image: "debian-12" }, ["image"]);
  const again = await runDemo(demo, progress);
  expect([again.installRuns, (await api("GET", `/servers?name=${demo.host}`)).body.servers[0].id]).toEqual([
    1,
    server.id,
  ]);
}, 300_000);
