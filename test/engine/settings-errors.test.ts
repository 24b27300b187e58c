import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Demo, prepareDemo } from "../../cli/demo/prepare.ts";
import { engineEnvironment } from "../../engine/environment.ts";
import { findEngine } from "../../engine/find-engine.ts";
import type { Engine } from "../../toolchain/index.ts";

const folder = mkdtempSync(join(tmpdir(), "clawdlets-settings-"));
let demo: Demo;
let engine: Engine;

beforeAll(async () => {
  demo = await prepareDemo(() => undefined, { root: join(folder, "project"), data: join(folder, "emulator") });
  engine = findEngine(process.cwd()) as Engine;
  const file = join(demo.layout.stacks, `Pulumi.${demo.host}.yaml`);
  writeFileSync(file, readFileSync(file, "utf8").replace(/^config:\n/m, "config:\n  clawdlets:serverTyp: cx43\n"));
}, 120_000);
afterAll(async () => {
  await demo?.close();
  rmSync(folder, { recursive: true, force: true });
});

const stack = /unhandled|\n\s+at .*:\d+:\d+|node_modules|ERR_/;

it("of plain pulumi are the settings error alone, without a stack", async () => {
  const env = { ...engineEnvironment(demo.layout, engine), PULUMI_STACK: demo.host };
  for (const operation of [["preview"], ["up", "--yes", "--skip-preview"]]) {
    const { all, exitCode } = await execa(engine.pulumi, [...operation, "--non-interactive"], {
      cwd: demo.layout.root,
      env,
      reject: false,
      all: true,
    });
    expect(exitCode).not.toBe(0);
    expect(all).toContain("clawdlets:serverTyp: unknown setting");
    expect(all).not.toMatch(stack);
  }
}, 60_000);

it("of our commands are exit code 3, with one JSON object", async () => {
  const clawdlets = join(process.cwd(), "bin", "clawdlets");
  for (const command of ["preview", "up"]) {
    const { stdout, stderr, exitCode } = await execa(clawdlets, [command, "--json"], {
      cwd: demo.layout.root,
      reject: false,
    });
    expect([command, exitCode, stderr]).toEqual([
      command,
      3,
      expect.stringContaining("clawdlets:serverTyp: unknown setting"),
    ]);
    expect(stderr).not.toMatch(stack);
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, exitCode: 3 });
  }
}, 60_000);
