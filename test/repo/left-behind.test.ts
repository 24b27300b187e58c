import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { temporaryFolder } from "../_project.ts";
import { repository } from "../_repository.ts";

let temporary: string;
beforeEach(() => {
  temporary = temporaryFolder();
});
afterEach(() => {
  for (const pid of sleeping()) process.kill(pid, "SIGKILL");
});

const run = (leave: string) =>
  execa("vitest", ["run", "--root", join(repository, "test/fixtures/leaves")], {
    preferLocal: true,
    env: { LEAVE: leave, TMPDIR: temporary },
    all: true,
    reject: false,
  });

/** Processes that the fixture left working in the temporary folder. */
function sleeping(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, "utf8");
        return command.startsWith("sleep\0") && readlinkSync(`/proc/${pid}/cwd`).startsWith(temporary);
      } catch {
        return false; // It has ended.
      }
    });
}

it("a run that leaves nothing passes", async () => {
  const { exitCode, all } = await run("");
  expect(exitCode, all).toBe(0);
  expect(readdirSync(temporary)).toEqual([]);
}, 60_000);

it("a run that leaves a file passes, names it and clears it away", async () => {
  const { exitCode, all } = await run("file,");
  expect(all).toMatch(/Tests left files behind .*\n {2}file: left-/);
  expect(exitCode).toBe(0);
  expect(readdirSync(temporary)).toEqual([]);
}, 60_000);

it("a run that leaves a process fails, names it and clears it away", async () => {
  const { exitCode, all } = await run("process,");
  expect(all).toContain("Tests left this behind");
  expect(all).toMatch(/process \d+: sleep 600/);
  expect(exitCode).toBe(1);
  expect(sleeping()).toEqual([]);
  expect(readdirSync(temporary)).toEqual([]);
}, 60_000);

it("what a killed run left is cleared away by the next", async () => {
  const killed = run("file,process,stay");
  await vi.waitFor(() => expect(sleeping().length).toBe(1), 30_000);
  killed.kill("SIGKILL");
  await killed;
  const next = await run("");
  expect(next.exitCode, next.all).toBe(0);
  expect(sleeping()).toEqual([]);
  // vitest itself has a folder there with a random name.
  expect(readdirSync(temporary).filter((name) => name.startsWith("clt-"))).toEqual([]);
}, 90_000);
