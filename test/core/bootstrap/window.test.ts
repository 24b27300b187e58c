import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { closeWindow, closeWindowsOf, findWindows, newRun, openWindow } from "../../../core/bootstrap/window.ts";
import { waitForActions } from "../../../core/hetzner/actions.ts";
import { answerOf, createHetzner, type Hetzner } from "../../../core/hetzner/client.ts";
import { type Emulator, startEmulator } from "../../../emulator/index.ts";

let emulator: Emulator;
let hetzner: Hetzner;
let serverId = 0;

beforeAll(async () => {
  emulator = await startEmulator({ actionMs: 20 });
  hetzner = createHetzner(emulator);
  const body = { name: "web-1", server_type: "cx43", image: "debian-12", start_after_create: false };
  const { server, action } = await answerOf("make a server", hetzner.POST("/servers", { body }));
  await waitForActions(hetzner, action ? [action] : [], { what: "make a server", timeoutSeconds: 10 });
  serverId = server?.id ?? 0;
});
afterAll(() => emulator.close());

const faults = (list: unknown) =>
  fetch(new URL("/_emulator/faults", emulator.endpoint), {
    method: "POST",
    headers: { authorization: `Bearer ${emulator.token}` },
    body: JSON.stringify(list),
  });

const open = (run = newRun()) =>
  openWindow(hetzner, { host: "web-1", serverId, installId: "0123456789abcdef", run, adminCidrs: ["203.0.113.7/32"] });

describe("a window", () => {
  it.each([
    ["the detaching", "POST", "/firewalls/{id}/actions/remove_from_resources"],
    ["the deleting", "DELETE", "/firewalls/{id}"],
  ])("is closed though %s is refused, and stands in nobody's way", async (_, method, path) => {
    const fault = { respond: { status: 423, code: "protected", message: "no" } };
    expect((await faults([{ match: { method, path }, fault }])).status).toBe(204);
    await closeWindow(hetzner, await open());
    expect((await findWindows(hetzner, "web-1")).map(({ open: isOpen }) => isOpen)).toContain(false);
    expect((await findWindows(hetzner, "web-1")).filter(({ open: isOpen }) => isOpen)).toEqual([]);

    await faults([]);
    await closeWindow(hetzner, await open());
    for (const left of await findWindows(hetzner, "web-1")) await closeWindow(hetzner, left);
    expect(await findWindows(hetzner, "web-1")).toEqual([]);
  });

  it("of the next run stays open when what a dead run left is closed by its guard", async () => {
    const [dead, next] = [await open("dead"), await open("next")];
    expect(await closeWindowsOf(hetzner, "web-1", "dead")).toBe(1);
    expect((await findWindows(hetzner, "web-1")).map(({ firewallId }) => firewallId)).toEqual([next.firewallId]);
    expect(dead.firewallId).not.toBe(next.firewallId);
    expect(await closeWindowsOf(hetzner, "web-1")).toBe(1);
  });

  it("does not count as closed while its rules are refused to go", async () => {
    const window = await open();
    const match = { method: "POST", path: "/firewalls/{id}/actions/set_rules" };
    await faults([{ match, fault: { respond: { status: 403, code: "forbidden", message: "no" } } }]);
    await expect(closeWindow(hetzner, window)).rejects.toThrow(
      /Hetzner refused to close the bootstrap window of web-1/,
    );
    await faults([]);
    await closeWindow(hetzner, window);
    expect(await findWindows(hetzner, "web-1")).toEqual([]);
  });
});
