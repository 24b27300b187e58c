import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { execa } from "execa";
import { expect, it } from "vitest";
import { UserError } from "../../../../core/base/errors.ts";
import { exitCodes } from "../../../../core/base/exit-codes.ts";
import { takeHostLock } from "../../../../core/base/machine/file-lock.ts";
import { standingOf } from "../../../../core/host/install/interrupted.ts";
import { endKilled, JournalWriter, readJournal } from "../../../../core/host/journal.ts";
import { hostLayoutOf } from "../../../../core/project/layout.ts";
import { type Recovery, waitForInstallation } from "../../../../engine/recovery/interrupted.ts";
import { project } from "../../../_project.ts";

const start = { installId: "0123456789abcdef", serverId: 1, address: "192.0.2.1" };

async function begun() {
  const layout = project();
  const host = hostLayoutOf(layout, "web-1");
  mkdirSync(host.dir, { recursive: true, mode: 0o700 });
  const journal = new JournalWriter(host.journal, start);
  await journal.step("check", "installing");
  const said: string[] = [];
  const recovery = { layout, host: "web-1", tell: (text: string) => void said.push(text) } as unknown as Recovery;
  return { host, journal, recovery, said };
}

it("an installation is running while the holder of its host lock is alive, and killed afterwards", async () => {
  const { host } = await begun();
  expect(await standingOf(host)).toEqual({ kind: "interrupted" });
  const release = await takeHostLock(host.lock, "web-1", () => undefined);
  expect(await standingOf(host)).toMatchObject({ kind: "running", holder: { pid: process.pid } });
  await release();
  expect(await standingOf(host)).toEqual({ kind: "interrupted" });
});

it("a holder that was killed holds nothing, however fresh its lock is", async () => {
  const { host } = await begun();
  // No process has a number this high.
  const pid = 4_194_300;
  const holder = { pid, since: new Date().toISOString(), command: "clawdlets install", machine: hostname() };
  mkdirSync(`${host.lock}.lock`);
  writeFileSync(`${host.lock}.holder`, JSON.stringify(holder), { mode: 0o600 });
  expect(await standingOf(host)).toEqual({ kind: "interrupted" });
  // One in another container has a number that says nothing here.
  writeFileSync(`${host.lock}.holder`, JSON.stringify({ ...holder, machine: "another" }));
  expect(await standingOf(host)).toMatchObject({ kind: "running" });
  rmSync(`${host.lock}.lock`, { recursive: true });
  expect(await standingOf(host)).toEqual({ kind: "interrupted" });
});

it("a command waits for the guard of a killed installation, until it has marked the journal", async () => {
  const { host, journal, recovery, said } = await begun();
  const guard = execa("sleep", ["60"], { reject: false });
  await journal.guardedBy(guard.pid ?? 0);
  expect(await standingOf(host)).toEqual({ kind: "closing" });
  const waiting = waitForInstallation(recovery);
  await expect.poll(() => said).toHaveLength(1);
  await endKilled(host.journal, "killed");
  expect(await waiting).toBe(false);
  guard.kill("SIGKILL");
  await guard;
  expect(readJournal(host.journal)?.state).toBe("failed");
});

it.each([
  ["on this machine, whose number says who it is", hostname(), "closing"],
  ["in another container, whose number says nothing here", "another", "running"],
])("a guard that cleans up under the host's lock does not count as an installation, %s", async (_, machine, kind) => {
  const { host, journal } = await begun();
  const guard = execa("sleep", ["60"], { reject: false });
  const pid = guard.pid ?? 0;
  await journal.guardedBy(pid);
  const holder = { pid, since: new Date().toISOString(), command: "clawdlets install --host web-1", machine };
  mkdirSync(`${host.lock}.lock`);
  writeFileSync(`${host.lock}.holder`, JSON.stringify(holder), { mode: 0o600 });
  try {
    expect(await standingOf(host)).toMatchObject({ kind });
  } finally {
    guard.kill("SIGKILL");
    await guard;
  }
});

it("an installation that has got the number of a guard that is gone counts as one", async () => {
  const { host, journal } = await begun();
  const other = execa("sleep", ["60"], { reject: false });
  const pid = other.pid ?? 0;
  await journal.guardedBy(pid);
  const before = JSON.parse(readFileSync(host.journal, "utf8"));
  const guard = { pid, since: new Date(Date.now() - 3_600_000).toISOString() };
  writeFileSync(host.journal, JSON.stringify({ ...before, guard }), { mode: 0o600 });
  const holder = { pid, since: new Date().toISOString(), command: "clawdlets install", machine: hostname() };
  mkdirSync(`${host.lock}.lock`);
  writeFileSync(`${host.lock}.holder`, JSON.stringify(holder), { mode: 0o600 });
  try {
    expect(await standingOf(host)).toMatchObject({ kind: "running" });
  } finally {
    other.kill("SIGKILL");
    await other;
  }
});

it("a command waits for a guard that holds the host's lock, and is not refused", async () => {
  const { host, journal, recovery, said } = await begun();
  const guard = execa("sleep", ["60"], { reject: false });
  await journal.guardedBy(guard.pid ?? 0);
  const holder = { pid: guard.pid, since: new Date().toISOString(), command: "clawdlets up" };
  writeFileSync(`${host.lock}.holder`, JSON.stringify(holder), { mode: 0o600 });
  const waiting = waitForInstallation(recovery);
  await expect.poll(() => said).toEqual([expect.stringContaining("its guard is closing TCP/22 and cleaning up")]);
  await endKilled(host.journal, "killed");
  expect(await waiting).toBe(false);
  guard.kill("SIGKILL");
  await guard;
});

it("an installation that a person has started is not waited for", async () => {
  const { host, recovery } = await begun();
  const holder = { pid: process.pid, since: new Date().toISOString(), command: "clawdlets install --resume" };
  writeFileSync(`${host.lock}.holder`, JSON.stringify(holder), { mode: 0o600 });
  const failure = await waitForInstallation(recovery).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(UserError);
  expect(failure).toMatchObject({ exitCode: exitCodes.busy, message: expect.stringContaining("still installing") });
});
