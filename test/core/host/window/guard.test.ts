import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createHetzner, type Hetzner } from "../../../../core/base/hetzner/client.ts";
import { startGuard } from "../../../../core/host/window/guard.ts";
import { openWindow } from "../../../../core/host/window/open-window.ts";
import { findWindows, newRun } from "../../../../core/host/window/window.ts";
import { readWindowJournal } from "../../../../core/host/window/window-journal.ts";
import { type Lab, newServer, startLab, until } from "../../../emulator/_lab.ts";

/** The guard as a process of its own, on a Hetzner that may be down. */
let lab: Lab;
let hetzner: Hetzner;
let serverId = 0;
let logs = "";
beforeAll(async () => {
  lab = await startLab();
  hetzner = createHetzner(lab.emulator);
  serverId = (await newServer(lab, "web-1")).id;
});
afterAll(() => lab.stop());
beforeEach(async () => {
  logs = join(lab.dir, newRun());
  await faults([]);
});

const faults = (list: unknown) => lab.api("POST", "/_emulator/faults", list);
const isDown = { match: {}, fault: { respond: { status: 503, code: "unavailable", message: "down" } } };
const log = () => (existsSync(join(logs, "guard.log")) ? readFileSync(join(logs, "guard.log"), "utf8") : "");

async function guardedWindow(deadlineSeconds: number) {
  const run = newRun();
  const { endpoint, token, sshPort } = lab.emulator;
  const journal = join(logs, "windows.jsonl");
  const guard = await startGuard(
    { host: "web-1", run, endpoint, serverId, sshPort, deadlineSeconds, journal },
    token,
    logs,
  );
  await openWindow(hetzner, { host: "web-1", serverId, installId: "none", run, adminCidrs: ["203.0.113.7/32"] });
  const isOpen = async () => (await findWindows(hetzner, "web-1", run)).some(({ open }) => open);
  return { guard, run, isOpen, journal };
}

describe("the guard of a window", () => {
  it("closes it at its deadline, and writes that down", async () => {
    const { run, isOpen, journal } = await guardedWindow(1);
    await until("the window is closed", async () => !(await isOpen()));
    await until("it is written down", () => readWindowJournal(journal).length > 0);
    expect(readWindowJournal(journal)).toMatchObject([
      { event: "closed", by: "guard", run, why: "the deadline passed" },
    ]);
    expect(log()).toContain("the deadline passed: closing");
  });

  it("goes on trying while Hetzner is down, says so each time, and closes once it is back", async () => {
    const { isOpen } = await guardedWindow(1);
    await faults([isDown]);
    await until("it has tried three times", () => log().split("not closed yet, trying again").length > 3);
    await faults([]);
    expect(await isOpen()).toBe(true);
    await until("the window is closed", async () => !(await isOpen()));
  });

  it("closes where an action runs on the firewall (423), and does not take resource_in_use for open or for failed", async () => {
    const { isOpen } = await guardedWindow(1);
    const locked = { status: 423, code: "locked", message: "busy" };
    const inUse = { status: 409, code: "resource_in_use", message: "in use" };
    await faults([
      { match: { method: "POST", path: "/firewalls/{id}/actions/set_rules", times: 2 }, fault: { respond: locked } },
      { match: { method: "DELETE", path: "/firewalls/{id}", times: 2 }, fault: { respond: inUse } },
    ]);
    await until("the window is closed", async () => !(await isOpen()));
    await until("it has looked twice", () => log().includes("nothing left open"));
    expect(log()).toContain("closed 1");
    expect(log()).not.toContain("not closed yet");
  });

  it("does nothing once it was told that the window was seen closed", async () => {
    const { guard, isOpen } = await guardedWindow(60);
    await guard.dismiss();
    expect(log()).not.toContain("closing");
    expect(await isOpen()).toBe(true);
    const [window] = await findWindows(hetzner, "web-1");
    await lab.api("POST", `/firewalls/${window?.firewallId}/actions/set_rules`, { rules: [] });
  });

  it("leaves the window open until its deadline when it was told that it stays", async () => {
    const { guard, isOpen } = await guardedWindow(2);
    guard.leave();
    expect(await isOpen()).toBe(true);
    expect(log()).not.toContain("process is gone");
    await until("the window is closed", async () => !(await isOpen()));
    expect(log()).toContain("the deadline passed: closing");
  });

  it("closes at once when the parent could not, and lets it go", async () => {
    const { guard, isOpen } = await guardedWindow(600);
    await faults([isDown]);
    guard.takeOver();
    await until("it has tried", () => log().includes("not closed yet, trying again"));
    await faults([]);
    await until("the window is closed", async () => !(await isOpen()));
    expect(log()).toContain("the parent could not close it: closing");
  });
});
