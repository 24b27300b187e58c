import { cp, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { expect, test } from "vitest";
import { findEngine } from "../../engine/find-engine.ts";
import { newKey, startLab } from "./_lab.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const PROGRAM = new URL("./fixtures/every-resource/", import.meta.url).pathname;
const engine = findEngine(ROOT);

test("the real provider creates, reads, changes and destroys one of everything, and the API description agrees", async () => {
  if (!engine) throw new Error("no engine: run scripts/setup.sh");
  const lab = await startLab({ actionMs: 20 });
  const key = await newKey(lab, "key");
  const home = await mkdtemp(join(tmpdir(), "clawdlets-provider-"));
  // A copy, since the engine writes the stack's file beside the program.
  const program = join(home, "program");
  await cp(PROGRAM, program, { recursive: true });
  await symlink(join(ROOT, "node_modules"), join(program, "node_modules"));
  const { pulumi, binDir, pulumiHome } = engine;
  const env = {
    PATH: `${binDir}:${process.env["PATH"]}`,
    PULUMI_HOME: pulumiHome,
    PULUMI_BACKEND_URL: `file://${home}`,
    PULUMI_CONFIG_PASSPHRASE: "test",
    PULUMI_SKIP_UPDATE_CHECK: "true",
    HCLOUD_ENDPOINT: lab.emulator.endpoint,
    HCLOUD_TOKEN: lab.emulator.token,
    HCLOUD_POLL_INTERVAL: "50ms",
  };
  const run = async (...args: string[]) => {
    const { all, exitCode } = await execa(pulumi, [...args, "--non-interactive"], {
      cwd: program,
      env,
      all: true,
      reject: false,
    });
    expect(exitCode, `pulumi ${args.join(" ")}\n${all}`).toBe(0);
  };
  await run("stack", "init", "s");
  await run("config", "set", "publicKey", key.publicKey);
  await run("up", "--yes", "--skip-preview");
  await run("up", "--yes", "--skip-preview", "--refresh", "--expect-no-changes");
  await run("config", "set", "changed", "true");
  await run("up", "--yes", "--skip-preview");
  await run("up", "--yes", "--skip-preview", "--refresh", "--expect-no-changes");
  await run("destroy", "--yes", "--skip-preview");

  const { servers, unknownEndpoints } = lab.emulator.report();
  const left = await Promise.all(
    ["firewalls", "ssh_keys", "primary_ips", "placement_groups", "networks", "volumes"].map(
      async (kind) => (await lab.api("GET", `/${kind}`)).body[kind].length,
    ),
  );
  expect({ servers, unknownEndpoints, left }).toEqual({
    servers: [],
    unknownEndpoints: [],
    left: [0, 0, 0, 0, 0, 0],
  });
  expect(lab.emulator.violations()).toEqual([]);
  await rm(home, { recursive: true, force: true });
  await lab.stop();
}, 120_000);
