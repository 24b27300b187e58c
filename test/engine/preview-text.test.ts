import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { type Demo, prepareDemo } from "../../cli/demo/prepare.ts";
import { runDemo } from "../../cli/demo/run.ts";
import { hostLayoutOf } from "../../core/project/layout.ts";
import type { StackConfig } from "../../core/project/settings/stack-config/stack-config.ts";
import { addToStackFile } from "../../core/project/settings/stack-file.ts";
import { up } from "../../engine/up.ts";
import { repository } from "../_repository.ts";

/** What `clawdlets preview` says on standard output, by the real engine and provider, of a host before and after it is made. */
const folder = mkdtempSync(join(tmpdir(), "clawdlets-preview-"));
const progress = Object.assign((_: string) => undefined, { startedAt: Date.now() });
let demo: Demo;
let beforeCreation: { text: string; stderr: string };
let stackFile: string;
let declared: string;

beforeAll(async () => {
  demo = await prepareDemo(progress, { root: join(folder, "project"), data: join(folder, "emulator") });
  beforeCreation = await preview();
  await runDemo(demo, progress);
  stackFile = hostLayoutOf(demo.layout, demo.host).stackFile;
  declared = readFileSync(stackFile, "utf8");
}, 300_000);

afterEach(() => writeFileSync(stackFile, declared));

afterAll(async () => {
  await demo?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function preview(...args: string[]) {
  const { stdout, stderr, exitCode } = await execa(
    process.execPath,
    [join(repository, "bin", "clawdlets.mjs"), "preview", ...args],
    { cwd: demo.layout.root, reject: false, stdin: "ignore" },
  );
  expect(exitCode, stderr).toBe(0);
  // Ids of Hetzner's, and of an installation, differ from run to run.
  return { text: stdout.replace(/\b[0-9a-f]{16,}\b/g, "<id>"), stderr };
}

const declare = (settings: Partial<Record<keyof StackConfig, unknown>>) =>
  addToStackFile(demo.layout, demo.host, settings, Object.keys(settings) as (keyof StackConfig)[]);
const acted = /\b(creat|updat|delet|replac)(ed|ing)\b/;

it("a host that is to be made: every resource, its server and its price", () => {
  const { text, stderr } = beforeCreation;
  expect(text).toMatchInlineSnapshot(`
    "would create SshKey clawdbot-fleet-host-bootstrap-key
    would create Firewall clawdbot-fleet-host-firewall
    would run Command clawdbot-fleet-host-install
    would run Command clawdbot-fleet-host-proof
    would create Server clawdbot-fleet-host-server
      serverType: "cx43"
      location: "nbg1"
      image: "debian-12"
    cost a month: 0.00 → 16.49 EUR net (+16.49 EUR)
    clawdbot-fleet-host: 12 to create"
  `);
  expect(`${text}\n${stderr}`).not.toMatch(acted);
});

it("nothing to do", async () => {
  expect((await preview()).text).toMatchInlineSnapshot(`"clawdbot-fleet-host: nothing would change"`);
}, 60_000);

it("a rule of the firewall, added and changed, with old and new value", async () => {
  const rule = (port: string) => ({ firewallRules: [{ protocol: "tcp", port, sourceIps: ["203.0.113.7/32"] }] });
  await declare(rule("443"));
  const { text, stderr } = await preview();
  expect(text).toMatchInlineSnapshot(`
    "would update Firewall clawdbot-fleet-host-firewall
      rules[1]: {"description":"declared by the stack","direction":"in","port":"443","protocol":"tcp","sourceIps":["203.0.113.7/32"]}
      ! tcp/443 from 203.0.113.7/32 would be let in
    would run again Command clawdbot-fleet-host-proof
      environment.CLAWDLETS_FACTS: …,\\"sourceIps\\":[\\"0.0.0.0/0\\",\\"::/0\\"]}],\\"sshExposure\\":\\"tailnet\\",\\"tailnet\\":\\"tailscale\\"}" → …,\\"sourceIps\\":[\\"0.0.0.0/0\\",\\"::/0\\"]},{\\"direction\\":\\"in\\",\\"protocol\\":\\"tcp\\",\\"port\\":\\"443\\",\\"sourceIps\\":[\\"203.0.113.7/32\\"]}],\\"sshExposure\\":\\"tail…
      triggers[0]: …,\\"sourceIps\\":[\\"0.0.0.0/0\\",\\"::/0\\"]}],\\"sshExposure\\":\\"tailnet\\",\\"tailnet\\":\\"tailscale\\"}" → …,\\"sourceIps\\":[\\"0.0.0.0/0\\",\\"::/0\\"]},{\\"direction\\":\\"in\\",\\"protocol\\":\\"tcp\\",\\"port\\":\\"443\\",\\"sourceIps\\":[\\"203.0.113.7/32\\"]}],\\"sshExposure\\":\\"tail…
    clawdbot-fleet-host: 1 to replace, 1 to update"
  `);
  expect(`${text}\n${stderr}`).not.toMatch(acted);
  await up({ ...demo, environment: process.env, progress });
  try {
    await declare(rule("8443"));
    expect((await preview()).text).toMatchInlineSnapshot(`
      "would update Firewall clawdbot-fleet-host-firewall
        rules[1]: {"description":"declared by the stack","direction":"in","port":"443","protocol":"tcp","sourceIps":["203.0.113.7/32"]} → {"description":"declared by the stack","direction":"in","port":"8443","protocol":"tcp","sourceIps":["203.0.113.7/32"]}
        ! tcp/8443 from 203.0.113.7/32 would be let in
      would run again Command clawdbot-fleet-host-proof
        environment.CLAWDLETS_FACTS: …:\\"in\\",\\"protocol\\":\\"tcp\\",\\"port\\":\\"443\\",\\"sourceIps\\":[\\"203.0.113.7/32\\"]}],\\"sshExposure\\":\\"tailnet\\",\\"tailnet\\":\\"tailscale\\"}" → …:\\"in\\",\\"protocol\\":\\"tcp\\",\\"port\\":\\"8443\\",\\"sourceIps\\":[\\"203.0.113.7/32\\"]}],\\"sshExposure\\":\\"tailnet\\",\\"tailnet\\":\\"tailscale\\"}"
        triggers[0]: …:\\"in\\",\\"protocol\\":\\"tcp\\",\\"port\\":\\"443\\",\\"sourceIps\\":[\\"203.0.113.7/32\\"]}],\\"sshExposure\\":\\"tailnet\\",\\"tailnet\\":\\"tailscale\\"}" → …:\\"in\\",\\"protocol\\":\\"tcp\\",\\"port\\":\\"8443\\",\\"sourceIps\\":[\\"203.0.113.7/32\\"]}],\\"sshExposure\\":\\"tailnet\\",\\"tailnet\\":\\"tailscale\\"}"
      clawdbot-fleet-host: 1 to replace, 1 to update"
    `);
  } finally {
    writeFileSync(stackFile, declared);
    await up({ ...demo, environment: process.env, progress });
  }
}, 180_000);

it("another server type: power cut, disk and price", async () => {
  const stackJson = readFileSync(demo.layout.stackJson, "utf8");
  writeFileSync(demo.layout.stackJson, stackJson.replace(/("serverType": ")\w+/, "$1cx53"));
  await declare({ serverType: "cx53" });
  try {
    const { text, stderr } = await preview();
    expect(text).toMatchInlineSnapshot(`
      "would update Server clawdbot-fleet-host-server
        serverType: "cx43" → "cx53"
        ! the server's POWER IS CUT to change it from cx43 to cx53; it starts again afterwards. Its disk grows from 160 GB to 320 GB and can never shrink again.
      cost a month: 16.49 → 29.99 EUR net (+13.50 EUR)
      clawdbot-fleet-host: 1 to update"
    `);
    expect(stderr).not.toContain("POWER");
  } finally {
    writeFileSync(demo.layout.stackJson, stackJson);
  }
}, 60_000);

it("a reinstallation, which wipes the disk", async () => {
  await declare({ reinstall: 1 });
  expect((await preview()).text).toMatchInlineSnapshot(`
    "would run again Command clawdbot-fleet-host-install
      environment.CLAWDLETS_FACTS: "{\\"serverId\\":100000001,\\"address\\":\\"127.64.0.1\\",\\"installId\\":\\"<id>\\"}" → "{\\"serverId\\":100000001,\\"address\\":\\"127.64.0.1\\",\\"installId\\":\\"<id>\\"}"
      triggers[0]: "<id>" → "<id>"
      ! would be run again (triggers changed): another installation, which WIPES THE DISK
    would run again Command clawdbot-fleet-host-proof
      environment.CLAWDLETS_FACTS: "{\\"serverId\\":100000001,\\"address\\":\\"127.64.0.1\\",\\"installId\\":\\"<id>\\",\\"firewallId\\":2000001,\\"rules\\":[{\\"direction\\":\\"in\\",\\"protocol\\":\\"ic… → "{\\"serverId\\":100000001,\\"address\\":\\"127.64.0.1\\",\\"installId\\":\\"<id>\\",\\"firewallId\\":2000001,\\"rules\\":[{\\"direction\\":\\"in\\",\\"protocol\\":\\"ic…
      triggers[0]: "{\\"serverId\\":100000001,\\"address\\":\\"127.64.0.1\\",\\"installId\\":\\"<id>\\",\\"firewallId\\":2000001,\\"rules\\":[{\\"direction\\":\\"in\\",\\"protocol\\":\\"ic… → "{\\"serverId\\":100000001,\\"address\\":\\"127.64.0.1\\",\\"installId\\":\\"<id>\\",\\"firewallId\\":2000001,\\"rules\\":[{\\"direction\\":\\"in\\",\\"protocol\\":\\"ic…
    note: clawdlets:reinstall is 1, which differs from the existing installation <id>: "up" WIPES THE DISK of this server and installs NixOS from scratch, with the same addresses.
    clawdbot-fleet-host: 2 to replace"
  `);
}, 60_000);

it("protections, set and lifted", async () => {
  await declare({ protect: true });
  expect((await preview()).text).toMatchInlineSnapshot(`
    "would update Server clawdbot-fleet-host-server
      deleteProtection: false → true
      rebuildProtection: false → true
    clawdbot-fleet-host: 1 to update"
  `);
  await up({ ...demo, environment: process.env, progress });
  try {
    writeFileSync(stackFile, declared);
    expect((await preview()).text).toMatchInlineSnapshot(`
      "would update Server clawdbot-fleet-host-server
        deleteProtection: true → false
        rebuildProtection: true → false
        ! Hetzner would no longer refuse that it is deleted
        ! Hetzner would no longer refuse that it is rebuilt
      clawdbot-fleet-host: 1 to update"
    `);
  } finally {
    writeFileSync(stackFile, declared);
    await up({ ...demo, environment: process.env, progress });
  }
}, 180_000);

it("the same for many hosts, and as JSON beside what it was", async () => {
  await declare({ protect: true });
  const many = await preview("--all");
  expect(many.text.replace(/\d+\.\d s/, "<time>")).toMatchInlineSnapshot(`
    "clawdbot-fleet-host: would update Server clawdbot-fleet-host-server
    clawdbot-fleet-host:   deleteProtection: false → true
    clawdbot-fleet-host:   rebuildProtection: false → true
    ok       clawdbot-fleet-host: 1 to update
    preview: 1 ok; <time>"
  `);
  expect(many.stderr).not.toMatch(acted);
  expect(JSON.parse((await preview("--json")).text)).toMatchInlineSnapshot(`
    {
      "changes": {
        "same": 11,
        "update": 1,
      },
      "notes": [],
      "ok": true,
      "plan": [
        {
          "effects": [],
          "kind": "Server",
          "op": "update",
          "properties": [
            {
              "after": "true",
              "before": "false",
              "property": "deleteProtection",
            },
            {
              "after": "true",
              "before": "false",
              "property": "rebuildProtection",
            },
          ],
          "resource": "clawdbot-fleet-host-server",
        },
      ],
      "stack": "clawdbot-fleet-host",
    }
  `);
}, 60_000);
