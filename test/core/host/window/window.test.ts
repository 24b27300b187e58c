import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { waitForActions } from "../../../../core/base/hetzner/actions.ts";
import { answerOf, createHetzner, type Hetzner } from "../../../../core/base/hetzner/client.ts";
import { openOnlyWindow, openWindow } from "../../../../core/host/window/open-window.ts";
import { closeWindow, closeWindowsOf, findWindows, newRun, takeRules } from "../../../../core/host/window/window.ts";
import { type Emulator, startEmulator } from "../../../../emulator/index.ts";

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

const request = (run = newRun()) => {
  return { host: "web-1", serverId, installId: "0123456789abcdef", run, adminCidrs: ["203.0.113.7/32"] };
};
const open = (run?: string) => openWindow(hetzner, request(run));

/** What `work` asked of Hetzner, as `POST /firewalls: 1`. */
async function askedBy(work: () => Promise<unknown>): Promise<string[]> {
  const before = emulator.report().requests;
  await work();
  return Object.entries(emulator.report().requests).flatMap(([asked, times]) => {
    const more = times - (before[asked] ?? 0);
    return more > 0 ? [`${asked}: ${more}`] : [];
  });
}

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

  it("is closed by three requests, since one that could be deleted is on no server", async () => {
    const window = await open();
    expect(await askedBy(() => closeWindow(hetzner, window))).toEqual([
      "DELETE /firewalls/{id}: 1",
      "POST /firewalls/{id}/actions/remove_from_resources: 1",
      "POST /firewalls/{id}/actions/set_rules: 1",
    ]);
    expect(await findWindows(hetzner, "web-1")).toEqual([]);
  });

  it("whose firewall is locked is asked for its actions, not to be detached again and again", async () => {
    const window = await open();
    const rules = { method: "POST", path: "/firewalls/{id}/actions/set_rules" };
    await faults([{ match: rules, fault: { action: { durationMs: 3000 } } }]);
    const asked = await askedBy(() => closeWindow(hetzner, window));
    await faults([]);
    expect(asked).toContain("POST /firewalls/{id}/actions/remove_from_resources: 2");
    expect(asked).toContain("POST /firewalls/{id}/actions/set_rules: 1");
    expect(await findWindows(hetzner, "web-1")).toEqual([]);
  });

  it("is closed when its rules are gone; detaching and deleting come afterwards, and take their own time", async () => {
    const window = await open();
    const rules = { method: "POST", path: "/firewalls/{id}/actions/set_rules" };
    await faults([{ match: rules, fault: { action: { durationMs: 3000 } } }]);
    const tidy = await takeRules(hetzner, window);
    await faults([]);
    const { firewallId } = window;
    expect(await findWindows(hetzner, "web-1")).toMatchObject([{ firewallId, open: false, serverIds: [serverId] }]);
    await tidy(hetzner);
    expect(await findWindows(hetzner, "web-1")).toEqual([]);
  });

  it("that could not be deleted is not closed before the action has ended that takes its rules away", async () => {
    const window = await open();
    await faults([
      {
        match: { method: "POST", path: "/firewalls/{id}/actions/set_rules" },
        fault: { action: { error: { code: "action_failed", message: "the rules stay" } } },
      },
      {
        match: { method: "DELETE", path: "/firewalls/{id}" },
        fault: { respond: { status: 423, code: "protected", message: "no" } },
      },
    ]);
    await expect(closeWindow(hetzner, window)).rejects.toThrow(/could not close the bootstrap window.*the rules stay/);
    await faults([]);
    await closeWindow(hetzner, window);
  });

  it("of an installation is opened by one request, without looking for others", async () => {
    const asked = await askedBy(async () => {
      const { window } = await openOnlyWindow(hetzner, request());
      expect((await findWindows(hetzner, "web-1")).map(({ firewallId }) => firewallId)).toEqual([window.firewallId]);
    });
    expect(asked).toEqual(["GET /firewalls: 1", "POST /firewalls: 1"]);
    await closeWindowsOf(hetzner, "web-1");
  });

  it.each([
    ["open", []],
    ["emptied, and cannot be deleted yet", [{ match: { method: "DELETE", path: "/firewalls/{id}" } }]],
  ])("of an installation is the only one, also where a killed run left one %s", async (_, matches) => {
    const { window: left } = await openOnlyWindow(hetzner, request());
    const inUse = { respond: { status: 423, code: "protected", message: "no" } };
    await faults(matches.map((match) => ({ ...match, fault: inUse })));
    const { window } = await openOnlyWindow(hetzner, request());
    await faults([]);
    const found = (await findWindows(hetzner, "web-1")).filter(({ open: isOpen }) => isOpen);
    expect(found.map(({ firewallId }) => firewallId)).toEqual([window.firewallId]);
    expect(window.firewallId).not.toBe(left.firewallId);
    await closeWindowsOf(hetzner, "web-1");
    expect(await findWindows(hetzner, "web-1")).toEqual([]);
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
