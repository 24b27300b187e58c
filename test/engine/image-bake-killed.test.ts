import { mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Demo, prepareDemo } from "../../cli/demo/prepare.ts";
import { hostLayoutOf } from "../../core/project/layout.ts";
import { engineEnvironment } from "../../engine/environment.ts";
import { findEngine } from "../../engine/find-engine.ts";
import { repository } from "../_repository.ts";
import { clientOf } from "../emulator/_lab.ts";

/** `clawdlets image bake`, stopped at each of its steps: the real command against the emulator. */
const folder = mkdtempSync(join(tmpdir(), "clawdlets-bake-killed-"));
const engine = findEngine(repository);
let demo: Demo;

beforeAll(async () => {
  demo = await prepareDemo(() => undefined, { root: join(folder, "project"), data: join(folder, "emulator") });
}, 120_000);
afterAll(async () => {
  await demo?.close();
  rmSync(folder, { recursive: true, force: true });
});

const environment = () => engineEnvironment(demo.layout, engine ?? ({} as never));
const api = (method: string, path: string, body?: unknown) =>
  clientOf(environment()["HCLOUD_ENDPOINT"] ?? "", environment()["HCLOUD_TOKEN"] ?? "")(method, path, body);

const clawdlets = (...args: string[]) =>
  execa(join(repository, "bin", "clawdlets"), [...args, "--host", demo.host], {
    cwd: demo.layout.root,
    env: environment(),
    reject: false,
    all: true,
  });

/** A bake that gets this signal when it says that it is at a step. */
async function bakeStopped(at: string, signal: NodeJS.Signals) {
  const run = clawdlets("image", "bake");
  let said = "";
  run.all?.on("data", (chunk: Buffer) => {
    const before = said;
    said += String(chunk);
    if (!before.includes(at) && said.includes(at)) run.kill(signal);
  });
  const result = await run;
  expect(said, "it never came to that step").toContain(at);
  return result;
}

/** Servers, firewalls, keys and snapshots. */
async function left(): Promise<number[]> {
  const kinds = ["servers", "firewalls", "ssh_keys", "images?type=snapshot"];
  return Promise.all(
    kinds.map(async (kind) => (Object.values((await api("GET", `/${kind}`)).body)[0] as unknown[]).length),
  );
}

const steps = [
  "ordering a temporary",
  "waiting for ssh",
  "into the installer",
  "without keys and secrets",
  "searching the disk",
  "making the snapshot",
  "deleting the temporary server",
];

it("leaves after a kill at each step what doctor names and the next bake deletes", async () => {
  for (const step of steps) {
    const { signal } = await bakeStopped(step, "SIGKILL");
    expect(signal, step).toBe("SIGKILL");
    const [servers = 0] = await left();
    // The last kill may come after the server is gone.
    if (step === steps[0] || step === steps.at(-1)) continue;
    expect(servers, step).toBe(1);
    const { all } = await clawdlets("doctor", "--scope", "deploy");
    expect(all, step).toMatch(new RegExp(`server "${demo.host}-image" .*a month with VAT`));
  }

  // As another machine sees it: without the file that says whose it is.
  await bakeStopped("into the installer", "SIGKILL");
  const run = join(hostLayoutOf(demo.layout, demo.host).dir, "image", "run");
  expect(readFileSync(run, "utf8")).toMatch(/^[0-9a-f]{8}$/);
  renameSync(run, `${run}.away`);
  const elsewhere = await clawdlets("image", "bake");
  expect([elsewhere.exitCode, elsewhere.all]).toEqual([5, expect.stringContaining("another machine may be baking it")]);
  renameSync(`${run}.away`, run);

  const snapshots = (await left())[3] ?? 0;
  const interrupted = await bakeStopped("making the snapshot", "SIGINT");
  expect(interrupted.exitCode, interrupted.all).toBe(130);
  // One that was finished when its bake was killed is kept.
  const finished = (await left())[3] ?? 0;
  expect(finished).toBeLessThanOrEqual(snapshots);
  expect(await left()).toEqual([0, 0, 0, finished]);

  const first = clawdlets("image", "bake");
  await new Promise<void>((resolve) =>
    first.all?.on("data", (chunk) => String(chunk).includes("ordering") && resolve()),
  );
  // The second waits for the host's lock, for a while.
  const both = [await clawdlets("image", "bake"), await first];
  for (const { exitCode, all } of both) expect([0, 5], all).toContain(exitCode);
  const made = both.filter(({ exitCode }) => exitCode === 0).length;
  expect(both[1]?.exitCode, both[1]?.all).toBe(0);
  expect(await left()).toEqual([0, 0, 0, finished + made]);
}, 600_000);
