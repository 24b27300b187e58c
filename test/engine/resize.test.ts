import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Demo, prepareDemo } from "../../cli/demo/prepare.ts";
import { runDemo } from "../../cli/demo/run.ts";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { hostLayoutOf } from "../../core/project/layout.ts";
import { engineEnvironment } from "../../engine/environment.ts";
import { findEngine } from "../../engine/find-engine.ts";
import { repository } from "../_repository.ts";
import { clientOf } from "../emulator/_lab.ts";

/**
 * A running host whose server type changes in the stack file, by the real engine and provider: the provider cuts power before
 * it asks Hetzner, so whatever Hetzner would refuse has to be refused before that, and a server that is off is switched on.
 */
const folder = mkdtempSync(join(tmpdir(), "clawdlets-resize-"));
const engine = findEngine(process.cwd());
const progress = Object.assign((_: string) => undefined, { startedAt: Date.now() });
let demo: Demo;

beforeAll(async () => {
  demo = await prepareDemo(progress, { root: join(folder, "project"), data: join(folder, "emulator") });
  await runDemo(demo, progress);
}, 300_000);

afterAll(async () => {
  await demo?.close();
  rmSync(folder, { recursive: true, force: true });
});

beforeEach(async () => {
  wants("cx43");
  await control("faults", []);
  await control("sold-out", []);
  if ((await server()).status === "off") await control(`servers/${(await server()).id}/power-on`);
  await control("reset-counters");
});

const environment = () => engineEnvironment(demo.layout, engine ?? ({} as never));
const api = (method: string, path: string, body?: unknown) =>
  clientOf(environment()["HCLOUD_ENDPOINT"] ?? "", environment()["HCLOUD_TOKEN"] ?? "")(method, path, body);
const control = (what: string, body?: unknown) => api("POST", `/_emulator/${what}`, body);
const server = async () => (await api("GET", `/servers?name=${demo.host}`)).body.servers[0];
const requests = async () => Object.keys((await demo.report()).requests);

const clawdlets = (...args: string[]) =>
  execa(process.execPath, [join(repository, "bin", "clawdlets.mjs"), ...args], {
    cwd: demo.layout.root,
    reject: false,
    all: true,
    stdin: "ignore",
  });
const pulumi = (...args: string[]) =>
  execa(engine?.pulumi ?? "pulumi", [...args, "--stack", demo.host, "--non-interactive"], {
    cwd: demo.layout.root,
    env: environment(),
    reject: false,
    all: true,
  });

/** Both files name the type. */
function wants(type: string): void {
  const { stackFile } = hostLayoutOf(demo.layout, demo.host);
  const replace = (file: string, pattern: RegExp) =>
    writeFileSync(file, readFileSync(file, "utf8").replace(pattern, `$1${type}`));
  replace(stackFile, /(clawdlets:serverType: )\w+/);
  replace(demo.layout.stackJson, /("serverType": ")\w+/);
}

describe("a type that Hetzner would refuse is refused with the power on", () => {
  it.each([
    ["a smaller disk", "cx33", /clawdlets:serverType: "cx33" has a disk of 80 GB.*160 GB, which cannot shrink/],
    ["a typo", "cx999", /clawdlets:serverType: "cx999" is not sold by Hetzner/],
  ])(
    "%s, by clawdlets and by plain pulumi",
    async (_, type, message) => {
      wants(type);
      const up = await clawdlets("up");
      expect([up.exitCode, up.all]).toEqual([3, expect.stringMatching(message)]);
      for (const args of [["up", "--yes", "--skip-preview"], ["preview"]]) {
        const { exitCode, all } = await pulumi(...args);
        expect([exitCode === 0, all], args.join(" ")).toEqual([false, expect.stringMatching(message)]);
      }
      expect((await requests()).filter((request) => request.startsWith("POST"))).toEqual([]);
      expect(await server()).toMatchObject({ status: "running", server_type: { name: "cx43" } });
    },
    180_000,
  );
});

describe("a power cut", () => {
  it("is announced in a preview", async () => {
    wants("cx53");
    const said = /POWER IS CUT to change it from cx43 to cx53.*grows from 160 GB to 320 GB and can never shrink/;
    expect((await clawdlets("preview")).all).toMatch(said);
    expect((await pulumi("preview")).all).toMatch(said);
    expect((await requests()).filter((request) => request.startsWith("POST"))).toEqual([]);
  }, 120_000);

  it("that Hetzner answers with a refusal nobody could foresee is ended in the same run", async () => {
    wants("cx53");
    const respond = { status: 412, code: "resource_unavailable", message: "error during placement" };
    const match = { method: "POST", path: "/servers/{id}/actions/change_type" };
    for (const up of [() => clawdlets("up"), () => pulumi("up", "--yes", "--skip-preview")]) {
      await control("faults", [{ match, fault: { respond } }]);
      const { exitCode, all } = await up();
      expect([exitCode === 0, all]).toEqual([false, expect.stringMatching(/left off and was switched on again/)]);
      expect(await requests()).toContain("POST /servers/{id}/actions/poweroff");
      expect((await server()).status).toBe("running");
    }
  }, 180_000);
});

describe("a server that is off without a reason", () => {
  const cutPower = async () => control(`servers/${(await server()).id}/power-cut`);

  it("is what verify, status, preview and plain pulumi say, with what switches it on", async () => {
    await cutPower();
    const said = /the server is off, not running\. Switch it on: clawdlets up --host/;
    const verified = await clawdlets("verify");
    // A server that is off refuses every connection, so nothing is proven about its firewall.
    expect([verified.exitCode, verified.all]).toEqual([exitCodes.unknown, expect.stringMatching(said)]);
    const status = await clawdlets("status", "--no-drift");
    expect([status.exitCode, status.all]).toEqual([exitCodes.unknown, expect.stringMatching(said)]);
    const off = /the server is switched off\. Switch it on: clawdlets up --host/;
    expect((await clawdlets("preview")).all).toMatch(off);
    expect((await pulumi("up", "--yes", "--skip-preview")).all).toMatch(off);
  }, 180_000);

  it("is switched on by up, and then answers as before", async () => {
    const before = (await demo.report()).servers[0];
    await cutPower();
    const { exitCode, all } = await clawdlets("up");
    expect([exitCode, all]).toEqual([0, expect.stringMatching(/the server was off; switching it on/)]);
    expect((await clawdlets("verify")).exitCode).toBe(0);
    expect((await demo.report()).servers[0]).toMatchObject({ id: before?.id, installRuns: 1, diskWipes: 1 });
  }, 120_000);

  it("is switched on although its stack file asks for what is refused", async () => {
    await cutPower();
    wants("cx33");
    const { exitCode, all } = await clawdlets("up");
    expect([exitCode, all]).toEqual([3, expect.stringMatching(/switching it on.*cannot shrink/s)]);
    expect((await server()).status).toBe("running");
  }, 120_000);
});

it("becomes the type that was asked for, and runs", async () => {
  wants("cx53");
  const { exitCode, all } = await clawdlets("up");
  expect(exitCode, all).toBe(0);
  expect(await server()).toMatchObject({ status: "running", server_type: { name: "cx53" }, primary_disk_size: 320 });
  wants("cx43");
  expect((await clawdlets("up")).all).toMatch(/"cx43" has a disk of 160 GB.*320 GB, which cannot shrink/);
}, 120_000);
