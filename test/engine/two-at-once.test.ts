import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Demo, prepareDemo } from "../../cli/demo/prepare.ts";
import { engineEnvironment } from "../../engine/environment.ts";
import { findEngine } from "../../engine/find-engine.ts";

const folder = mkdtempSync(join(tmpdir(), "clawdlets-two-"));
let demo: Demo;
let environment: Record<string, string>;

beforeAll(async () => {
  demo = await prepareDemo(() => undefined, { root: join(folder, "project"), data: join(folder, "emulator") });
  const engine = findEngine(process.cwd());
  if (!engine) throw new Error("no engine: run scripts/setup.sh");
  environment = engineEnvironment(demo.layout, engine);
}, 60_000);
afterAll(async () => {
  await demo?.close();
  rmSync(folder, { recursive: true, force: true });
});

const up = () =>
  execa(join(process.cwd(), "bin", "clawdlets"), ["up", "--host", demo.host], {
    cwd: demo.layout.root,
    env: environment,
    reject: false,
    all: true,
  });

it("of two ups at once one works, the other says who does, and the host is installed once", async () => {
  const first = up();
  await new Promise<void>((resolve) =>
    first.all?.on("data", (chunk: Buffer) => String(chunk).includes("creating Server") && resolve()),
  );
  const second = await up();
  expect(second.exitCode).toBe(5);
  expect(second.all).toMatch(/an engine of \S+ on \S+ \(process \d+, since .*\) is working on it. Wait for it to end/);
  expect((await first).exitCode).toBe(0);
  const { servers, requests } = await demo.report();
  expect(servers).toMatchObject([{ os: "nixos", installRuns: 1, diskWipes: 1 }]);
  expect(requests["POST /servers"]).toBe(1);
}, 90_000);
