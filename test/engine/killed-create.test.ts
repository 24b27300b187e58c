import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { execa } from "execa";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Demo, prepareDemo } from "../../cli/demo/prepare.ts";
import { labelsOf } from "../../core/base/hetzner/labels.ts";
import { loadHost } from "../../core/project/settings/host.ts";
import { readState } from "../../core/project/state/state.ts";
import { engineEnvironment } from "../../engine/environment.ts";
import { findEngine } from "../../engine/find-engine.ts";
import { recover } from "../../engine/recovery/recover.ts";
import { openStack } from "../../engine/stack.ts";
import { clientOf, until } from "../emulator/_lab.ts";

/** A state as a run leaves it that was killed after Hetzner had been asked for a server, and before it was written down. */
const folder = mkdtempSync(join(tmpdir(), "clawdlets-killed-"));
let demo: Demo;
let stack: Stack;
let environment: Record<string, string>;
const engine = findEngine(process.cwd());

beforeAll(async () => {
  demo = await prepareDemo(() => undefined, { root: join(folder, "project"), data: join(folder, "emulator") });
  if (!engine) throw new Error("no engine: run scripts/setup.sh");
  environment = engineEnvironment(demo.layout, engine);
  stack = await openStack(demo.layout, demo.host, engine);
}, 60_000);
afterAll(async () => {
  await demo?.close();
  rmSync(folder, { recursive: true, force: true });
});

const api = (method: string, path: string, body?: unknown) =>
  clientOf(environment["HCLOUD_ENDPOINT"] ?? "", environment["HCLOUD_TOKEN"] ?? "")(method, path, body);

const type = "hcloud:index/server:Server";

/** Into the file itself: what is imported loses its pending operations. */
async function leavePending(): Promise<void> {
  const urn = `urn:pulumi:${demo.host}::clawdlets::clawdlets:index:HetznerServer$${type}::${demo.host}-server`;
  const resource = { urn, custom: true, type, inputs: { name: demo.host, serverType: "cx43" } };
  const file = join(demo.layout.state, ".pulumi/stacks/clawdlets", `${demo.host}.json`);
  const state = JSON.parse(readFileSync(file, "utf8"));
  const pending_operations = [{ type: "creating", resource }];
  state.checkpoint.latest = { ...state.checkpoint.latest, resources: [], pending_operations };
  writeFileSync(file, JSON.stringify(state));
}

async function recoverNow(): Promise<string[]> {
  const told: string[] = [];
  const { settings, local } = loadHost(demo.layout, demo.host, environment);
  const tell = (text: string) => void told.push(text);
  await recover(stack, { layout: demo.layout, host: demo.host, settings, local, tell });
  return told;
}

const newServer = async (labels: Record<string, string>): Promise<number> =>
  (await api("POST", "/servers", { name: demo.host, server_type: "cx43", image: "debian-12", labels })).body.server.id;

/** One that is still being made is locked, so it is asked for again. */
const deleteAll = () =>
  until("the servers are gone", async () => {
    const { servers } = (await api("GET", "/servers")).body;
    for (const { id } of servers) await api("DELETE", `/servers/${id}`);
    return servers.length === 0;
  });
afterEach(deleteAll);

describe("a server that was being created when the run was killed", () => {
  it("is named by a preview, and by plain pulumi up when Hetzner has it, with the command that takes it over", async () => {
    const id = await newServer(labelsOf(demo.host));
    await leavePending();
    const pulumi = (...args: string[]) =>
      execa(engine?.pulumi ?? "pulumi", [...args, "--non-interactive", "--stack", demo.host], {
        cwd: demo.layout.root,
        env: environment,
        reject: false,
        all: true,
      });
    const takesOver = `clawdlets up --host ${demo.host}`;
    expect((await pulumi("preview")).all).toMatch(new RegExp(`the last run was killed while creating .*${takesOver}`));
    const up = await pulumi("up", "--yes", "--skip-preview");
    expect(up.exitCode).not.toBe(0);
    expect(up.all).toContain(`adopt it: ${takesOver}.`);
    expect((await api("GET", "/servers")).body.servers).toMatchObject([{ id }]);
    await pulumi("destroy", "--yes");
  }, 90_000);

  it("is forgotten when Hetzner has none", async () => {
    await leavePending();
    expect(await recoverNow()).toEqual([]);
    expect(readState(demo.layout, demo.host).value).toMatchObject({ resources: [], pending: [] });
  }, 60_000);

  it("is refused when it is someone else's, and the state is left as it is", async () => {
    await newServer({});
    await leavePending();
    await expect(recoverNow()).rejects.toThrow(/without this host's labels, so it is not ours\. Rename it or the host/);
    expect(readState(demo.layout, demo.host).value?.pending).toHaveLength(1);
  }, 60_000);

  it("is taken into the state under its id when it is ours", async () => {
    const id = await newServer(labelsOf(demo.host));
    await leavePending();
    expect(await recoverNow()).toEqual([expect.stringContaining(`it exists, as ${id}`)]);
    const { value } = readState(demo.layout, demo.host);
    expect(value?.pending).toEqual([]);
    expect(value?.resources).toMatchObject([{ type, id: String(id) }]);
  }, 60_000);
});
