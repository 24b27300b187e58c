import { existsSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { groupsWith } from "../../core/base/machine/process-group.ts";
import { hostLayoutOf } from "../../core/project/layout.ts";
import { until } from "../emulator/_lab.ts";
import { bakeLab } from "./_bake-lab.ts";

/** `clawdlets image bake`, stopped at each of its steps: the real command and its guard against the emulator. */
let lab: Awaited<ReturnType<typeof bakeLab>>;
beforeAll(async () => {
  lab = await bakeLab();
}, 120_000);
afterAll(() => lab?.stop());

const folder = () => join(hostLayoutOf(lab.demo.layout, lab.demo.host).dir, "image");
const installers = () => groupsWith(["--phases", "-i", join(folder(), "client")]);

/** The process id of a bake's guard. */
async function guardOf(parent: number): Promise<number> {
  const { stdout } = await execa("ps", ["--ppid", String(parent), "-ww", "-o", "pid=,args="]);
  return Number.parseInt(stdout.split("\n").find((line) => line.includes("guard.mjs image")) ?? "", 10);
}

type Victim = "the command" | "the command and its children" | "the command and its guard";

/** A bake that is stopped when it says that it is at a step. */
async function bakeStopped(at: string, signal: NodeJS.Signals, victim: Victim = "the command") {
  const run = lab.clawdlets("image", "bake");
  const pid = run.pid ?? 0;
  let said = "";
  const reached = new Promise<void>((resolve) =>
    run.all?.on("data", (chunk: Buffer) => {
      said += String(chunk);
      if (said.includes(at)) resolve();
    }),
  );
  await Promise.race([reached, run]);
  if (victim === "the command and its guard") {
    const guard = await guardOf(pid);
    // The guard acts as soon as its parent is gone.
    process.kill(pid, "SIGSTOP");
    process.kill(guard, "SIGKILL");
  }
  process.kill(victim === "the command and its children" ? -pid : pid, signal);
  const result = await run;
  expect(said, "it never came to that step").toContain(at);
  return result;
}

/** During nixos-anywhere both, and otherwise one of them. */
const kills: [string, Victim][] = [
  ["ordering a temporary", "the command"],
  ["waiting for ssh", "the command and its children"],
  ["Switching system into kexec", "the command"],
  ["Switching system into kexec", "the command and its children"],
  ["Formatting hard drive", "the command"],
  ["Formatting hard drive", "the command and its children"],
  ["searching the disk", "the command and its children"],
  ["making the snapshot", "the command"],
  ["deleting the temporary server", "the command"],
];

/** Snapshots that were finished before a kill are kept. */
let snapshots = 0;
beforeEach(async () => {
  snapshots = (await lab.left())[3] ?? 0;
});

it.each(kills)(
  'a guard ends and deletes what a kill at "%s" of %s leaves',
  async (step, victim) => {
    const { signal } = await bakeStopped(step, "SIGKILL", victim);
    expect(signal).toBe("SIGKILL");
    await until("the installer has ended", async () => (await installers()).length === 0, 15);
    await until("the server is deleted", async () => (await lab.left())[0] === 0, 30);
    await until("its files are removed", () => !existsSync(folder()), 45);
    const [servers, firewalls, keys, left = 0] = await lab.left();
    expect([servers, firewalls, keys]).toEqual([0, 0, 0]);
    // The last kill may come before or after the snapshot counts.
    expect(left - snapshots).toBeLessThanOrEqual(step === "deleting the temporary server" ? 1 : 0);
  },
  120_000,
);

it("leaves without its guard, too, what doctor names and the next bake deletes", async () => {
  for (const step of ["into the installer", "searching the disk"]) {
    await bakeStopped(step, "SIGKILL", "the command and its guard");
    expect((await lab.left())[0], step).toBe(1);
    const { all } = await lab.clawdlets("doctor", "--scope", "deploy");
    expect(all, step).toMatch(new RegExp(`server "${lab.demo.host}-image" .*a month with VAT`));
  }

  // As another machine sees it: without the file that says whose it is.
  const run = join(folder(), "run");
  expect(readFileSync(run, "utf8")).toMatch(/^[0-9a-f]{8}$/);
  renameSync(run, `${run}.away`);
  const elsewhere = await lab.clawdlets("image", "bake");
  expect([elsewhere.exitCode, elsewhere.all]).toEqual([5, expect.stringContaining("another machine may be baking it")]);
  renameSync(`${run}.away`, run);
  const { exitCode, all } = await lab.clawdlets("image", "bake");
  expect(exitCode, all).toBe(0);
  expect(await lab.left()).toEqual([0, 0, 0, snapshots + 1]);
}, 240_000);

it("names a snapshot that a killed bake had finished, and the server beside it", async () => {
  await bakeStopped("deleting the temporary server", "SIGKILL", "the command and its guard");
  const image = (await lab.api("GET", "/images?type=snapshot&label_selector=clawdlets-image")).body.images.at(-1).id;
  const { all } = await lab.clawdlets("doctor", "--scope", "deploy");
  expect(all).toContain(`clawdlets image delete ${image}`);
  // Unless the kill came after its deletion.
  if ((await lab.left())[0] === 1) expect(all).toContain(`clawdlets image bake --host ${lab.demo.host}`);
  const { exitCode } = await lab.clawdlets("image", "bake");
  expect(exitCode).toBe(0);
  expect(await lab.left()).toEqual([0, 0, 0, snapshots + 2]);
}, 240_000);

it("deletes on Ctrl-C what it bought, and keeps a snapshot that is finished", async () => {
  const interrupted = await bakeStopped("making the snapshot", "SIGINT");
  expect(interrupted.exitCode, interrupted.all).toBe(130);
  const finished = (await lab.left())[3] ?? 0;
  expect(finished - snapshots).toBeLessThanOrEqual(1);
  expect(await lab.left()).toEqual([0, 0, 0, finished]);
}, 120_000);

it("waits for another bake of the host for a while, and leaves what it bought alone", async () => {
  const first = lab.clawdlets("image", "bake");
  await new Promise<void>((resolve) =>
    first.all?.on("data", (chunk) => String(chunk).includes("ordering") && resolve()),
  );
  const both = [await lab.clawdlets("image", "bake"), await first];
  for (const { exitCode, all } of both) expect([0, 5], all).toContain(exitCode);
  const made = both.filter(({ exitCode }) => exitCode === 0).length;
  expect(both[1]?.exitCode, both[1]?.all).toBe(0);
  expect(await lab.left()).toEqual([0, 0, 0, snapshots + made]);
}, 240_000);
