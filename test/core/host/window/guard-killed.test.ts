import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createHetzner } from "../../../../core/base/hetzner/client.ts";
import { takeHostLock } from "../../../../core/base/machine/file-lock.ts";
import { JournalWriter, readJournal } from "../../../../core/host/journal.ts";
import { openWindow } from "../../../../core/host/window/open-window.ts";
import { findWindows, newRun } from "../../../../core/host/window/window.ts";
import { repository } from "../../../_repository.ts";
import { type Lab, newServer, startLab, until } from "../../../emulator/_lab.ts";

/** An installation that is killed while its window is open: what its guard does then. */
let lab: Lab;
let serverId = 0;
beforeAll(async () => {
  lab = await startLab();
  serverId = (await newServer(lab, "web-1")).id;
});
afterAll(() => lab.stop());

/** Starts a guard with the given orders, and dies of SIGKILL. */
const program = `
const [order, token, logs] = JSON.parse(process.argv.at(-1));
const { startGuard } = await import("./core/host/window/guard.ts");
await startGuard(order, token, logs);
process.kill(process.pid, "SIGKILL");
`;

/** @param options `isLocked`: another command of this machine has the host's lock when the guard would clean up */
async function killedInstallation({ startedAtOfGuard = "", isLocked = false } = {}) {
  const folder = mkdtempSync(join(lab.dir, "killed-"));
  const lock = join(folder, "lock");
  const release = isLocked ? await takeHostLock(lock, "web-1", () => undefined) : () => Promise.resolve();
  const logs = join(folder, "logs");
  const run = newRun();
  const { endpoint, token, sshPort } = lab.emulator;
  const path = join(folder, "install.json");
  const journal = new JournalWriter(path, { installId: "0123456789abcdef", serverId, address: "192.0.2.1" });
  await journal.step("open", "opening");
  const leftovers = ["staging", "run"].map((name) => join(folder, name));
  for (const each of leftovers) {
    mkdirSync(each, { mode: 0o700 });
    writeFileSync(join(each, "key.txt"), "AGE-SECRET-KEY-1");
  }
  const request = { host: "web-1", serverId, installId: "none", run, adminCidrs: ["203.0.113.7/32"] };
  await openWindow(createHetzner(lab.emulator), request);
  const install = { journal: path, startedAt: startedAtOfGuard || journal.journal.startedAt, leftovers, lock };
  const windows = join(folder, "windows.jsonl");
  const order = { host: "web-1", run, endpoint, serverId, sshPort, deadlineSeconds: 600, journal: windows, install };
  const args = ["--import", "tsx", "--input-type=module", "--eval", program, JSON.stringify([order, token, logs])];
  const { signal } = await execa(process.execPath, args, { cwd: repository, reject: false });
  expect(signal).toBe("SIGKILL");
  const isOpen = async () => (await findWindows(createHetzner(lab.emulator), "web-1", run)).some(({ open }) => open);
  const log = () => readFileSync(join(logs, "guard.log"), "utf8");
  return { path, leftovers, isOpen, release, log };
}

it("removes the keys that were staged, closes, and then marks the journal", { timeout: 120_000 }, async () => {
  const { path, leftovers, isOpen } = await killedInstallation();
  await until("the journal is marked", () => readJournal(path)?.state === "failed", 60);
  expect(await isOpen()).toBe(false);
  expect(leftovers.filter((each) => existsSync(each))).toEqual([]);
  expect(readJournal(path)?.steps.at(-1)).toMatchObject({ step: "close", text: expect.stringContaining("was killed") });
});

it("leaves the files of a later installation alone, and closes its own window", { timeout: 120_000 }, async () => {
  const { path, leftovers, isOpen } = await killedInstallation({ startedAtOfGuard: "2020-01-01T00:00:00.000Z" });
  await until("the window is closed", async () => !(await isOpen()), 60);
  expect(leftovers.filter((each) => existsSync(each))).toEqual(leftovers);
  expect(readJournal(path)?.state).toBe("running");
});

it("leaves alone what an installation stages that took the host's lock before the guard cleaned up", {
  timeout: 120_000,
}, async () => {
  const { path, leftovers, isOpen, release, log } = await killedInstallation({ isLocked: true });
  await until("the window is closed", async () => !(await isOpen()), 60);
  // The other one has the lock, but has written no journal yet.
  expect(leftovers.filter((each) => existsSync(each))).toEqual(leftovers);
  await until("the guard has found the lock taken", () => log().includes("another command works on the host"), 60);
  const next = new JournalWriter(path, { installId: "0123456789abcdef", serverId, address: "192.0.2.1" });
  await next.step("open", "opening");
  await release();
  await until("the guard has ended", () => log().includes("done"), 60);
  expect(leftovers.filter((each) => existsSync(each))).toEqual(leftovers);
  expect(readJournal(path)).toMatchObject({ state: "running", startedAt: next.journal.startedAt });
});

it("removes the keys after a command that does not remove them has released the host's lock", {
  timeout: 120_000,
}, async () => {
  const { path, leftovers, release, log } = await killedInstallation({ isLocked: true });
  await until("the guard has found the lock taken", () => log().includes("another command works on the host"), 60);
  await release();
  await until("the journal is marked", () => readJournal(path)?.state === "failed", 60);
  expect(leftovers.filter((each) => existsSync(each))).toEqual([]);
});
