import { afterAll, beforeAll, expect, it } from "vitest";
import { waitForActions } from "../../../../core/base/hetzner/actions.ts";
import { answerOf, createHetzner, type Hetzner } from "../../../../core/base/hetzner/client.ts";
import { allSnapshots } from "../../../../core/base/hetzner/pages.ts";
import { poll } from "../../../../core/base/wait-until.ts";
import { type Emulator, startEmulator } from "../../../../emulator/index.ts";

/** More than fits on one of Hetzner's pages, which have 50 entries, or 25 if nothing else is asked for. */
let emulator: Emulator;
let hetzner: Hetzner;
beforeAll(async () => {
  emulator = await startEmulator({ actionMs: 1 });
  hetzner = createHetzner(emulator);
});
afterAll(() => emulator.close());

const what = "prepare the test";
const finished = (actions: Parameters<typeof waitForActions>[1]) =>
  waitForActions(hetzner, actions, { what, timeoutSeconds: 10 });

async function newServer(name: string) {
  const body = { name, server_type: "cx23", image: "debian-12", start_after_create: false };
  return answerOf(what, hetzner.POST("/servers", { body }));
}

it("finds every snapshot", async () => {
  const { server, action } = await newServer("web-1");
  await finished([action]);
  const params = { path: { id: server.id } };
  for (let n = 0; n < 51; n++) {
    const body = { type: "snapshot" as const, labels: { many: "yes" } };
    const made = await answerOf(what, hetzner.POST("/servers/{id}/actions/create_image", { params, body }));
    const path = { id: made.action?.id ?? 0 };
    const isFinished = async () => {
      const { action: now } = await answerOf(what, hetzner.GET("/actions/{id}", { params: { path } }));
      return now.status === "success" ? true : undefined;
    };
    expect(await poll(isFinished, { seconds: 5, pauseMs: 5 })).toBe(true);
  }
  expect(await allSnapshots(hetzner, what, "many==yes")).toHaveLength(51);
}, 60_000);

it("waits for the last of many actions, and throws its error", async () => {
  const actions = [];
  for (let n = 0; n < 25; n++) actions.push((await newServer(`many-${n}`)).action);
  const fault = { action: { durationMs: 1500, error: { code: "unknown_error", message: "the last one failed" } } };
  await fetch(new URL("/_emulator/faults", emulator.endpoint), {
    method: "POST",
    headers: { authorization: `Bearer ${emulator.token}` },
    body: JSON.stringify([{ match: { method: "POST", path: "/servers", times: 1 }, fault }]),
  });
  actions.push((await newServer("last")).action);
  // As right after the requests: all of them are still running.
  const running = actions.map((action) => ({ ...action, status: "running" as const }));
  await expect(finished(running)).rejects.toThrow("the last one failed");
}, 30_000);
