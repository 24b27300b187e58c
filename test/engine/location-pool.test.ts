import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Demo, prepareDemo } from "../../cli/demo/prepare.ts";
import { addToStackFile } from "../../core/project/settings/stack-file.ts";
import { drawsIn, readState } from "../../core/project/state/state.ts";
import { engineEnvironment } from "../../engine/environment.ts";
import { findEngine } from "../../engine/find-engine.ts";
import { repository } from "../_repository.ts";
import { clientOf } from "../emulator/_lab.ts";

/**
 * A location that is a list, by the real engine and the random and hcloud providers. Each test starts
 * without a server, and nothing is installed.
 */
const folder = mkdtempSync(join(tmpdir(), "clawdlets-pool-"));
const engine = findEngine(repository);
const pool = ["nbg1", "fsn1", "hel1"];
let demo: Demo;

beforeAll(async () => {
  demo = await prepareDemo(() => undefined, { root: join(folder, "project"), data: join(folder, "emulator") });
}, 60_000);

afterAll(async () => {
  await demo?.close();
  rmSync(folder, { recursive: true, force: true });
});

beforeEach(async () => {
  await control("faults", []);
  await control("sold-out", []);
  await declare({ location: pool });
  await pulumi("state", "unprotect", "--all", "--yes");
  const destroyed = await pulumi("destroy", "--yes", "--skip-preview");
  expect(destroyed.exitCode, destroyed.all).toBe(0);
  await control("reset-counters");
}, 120_000);

const environment = () => engineEnvironment(demo.layout, engine ?? ({} as never));
const api = (method: string, path: string, body?: unknown) =>
  clientOf(environment()["HCLOUD_ENDPOINT"] ?? "", environment()["HCLOUD_TOKEN"] ?? "")(method, path, body);
const control = (what: string, body?: unknown) => api("POST", `/_emulator/${what}`, body);
const servers = async () => (await api("GET", `/servers?name=${demo.host}`)).body.servers;
const writes = async () => Object.keys((await demo.report()).requests).filter((request) => request.startsWith("POST"));

const pulumi = (...args: string[]) =>
  execa(engine?.pulumi ?? "pulumi", [...args, "--stack", demo.host, "--non-interactive"], {
    cwd: demo.layout.root,
    env: environment(),
    reject: false,
    all: true,
  });

const declare = (settings: { location: string | string[]; serverTypes?: string[] }) => {
  const all = { serverTypes: [], protect: false, ...settings };
  return addToStackFile(demo.layout, demo.host, all, ["location", "serverTypes", "protect"]);
};

/** Creates firewall, key and server, and leaves the installation for later. */
const buy = () => {
  const parts = ["**HetznerServer**", "**HostFirewall**", "**RandomShuffle**", "**clawdlets:index:Host::**"];
  return pulumi("up", "--yes", "--skip-preview", ...parts.flatMap((part) => ["--target", part]));
};

/** What a preview would do with the server and the draws. */
async function planned(): Promise<Record<string, string>> {
  const { stdout, stderr } = await execa(
    engine?.pulumi ?? "pulumi",
    ["preview", "--json", "--show-sames", "--stack", demo.host, "--non-interactive"],
    { cwd: demo.layout.root, env: environment(), reject: false },
  );
  const { steps = [] } = JSON.parse(stdout || "{}") as { steps?: { op: string; urn: string }[] };
  expect(steps.length, stderr).toBeGreaterThan(5);
  const ours = steps.filter(({ urn }) => /server:Server|RandomShuffle/.test(urn));
  return Object.fromEntries(ours.map(({ op, urn }) => [urn.split("::").at(-1)?.replace(`${demo.host}-`, ""), op]));
}

const locationOf = async (): Promise<string> => (await servers())[0]?.location.name;
const soldOut = (type: string, locations: string[]) => locations.map((location) => ({ type, location }));

describe("a list of locations", () => {
  it("is drawn from once: what is sold out is skipped, and neither stock nor the list moves the server later", async () => {
    await control("sold-out", soldOut("cx43", ["nbg1"]));
    const first = await pulumi("preview");
    expect(first.all).toMatch(/location: one of fsn1, hel1/);
    const bought = await buy();
    expect(bought.exitCode, bought.all).toBe(0);
    const location = await locationOf();
    expect(["fsn1", "hel1"]).toContain(location);

    const others = pool.filter((each) => each !== location);
    await control("sold-out", soldOut("cx43", others));
    expect(await planned()).toEqual({ location: "same", server: "same" });
    await control("sold-out", soldOut("cx43", pool));
    expect(await planned()).toEqual({ location: "same", server: "same" });
    for (const edited of [[location], others, ["ash", ...pool]]) {
      await declare({ location: edited });
      expect(await planned(), edited.join()).toEqual({ location: "same", server: "same" });
    }
    await declare({ location: "nbg1" });
    expect(await planned()).toEqual({ location: "delete", server: "same" });
  }, 300_000);

  it("that no longer has room at creation is named with the next step, and the next run chooses another location", async () => {
    const respond = { status: 412, code: "resource_unavailable", message: "error during placement" };
    await control("faults", [{ match: { method: "POST", path: "/servers" }, fault: { respond } }]);
    const refused = await buy();
    expect([refused.exitCode === 0, refused.all]).toEqual([
      false,
      expect.stringMatching(/Hetzner had no room for the server.*No server was created.*Run the same command again/),
    ]);
    expect(await servers()).toEqual([]);
    const drawn = await drawnLocation();
    await control("faults", []);
    const bought = await buy();
    expect(bought.exitCode, bought.all).toBe(0);
    expect(await locationOf()).toBe(await drawnLocation());
    expect(await locationOf()).not.toBe(drawn);
  }, 300_000);

  it("is what a refusal at creation advises where one location is declared", async () => {
    await declare({ location: "nbg1" });
    const respond = { status: 412, code: "resource_unavailable", message: "error during placement" };
    await control("faults", [{ match: { method: "POST", path: "/servers" }, fault: { respond } }]);
    const refused = await buy();
    expect([refused.exitCode === 0, refused.all]).toEqual([
      false,
      expect.stringMatching(/No server was created\. Set clawdlets:location to a list, e\.g\. \[nbg1, fsn1, hel1\]/),
    ]);
  }, 120_000);

  it("without anything in stock is refused before anything is created, with what would fit", async () => {
    await control("sold-out", soldOut("cx43", ["nbg1", "fsn1"]));
    await declare({ location: ["nbg1", "fsn1", "ash"] });
    for (const run of [() => pulumi("preview"), buy]) {
      const { exitCode, all } = await run();
      expect(exitCode).not.toBe(0);
      expect(all).toMatch(/clawdlets:location: no location has a server to order/);
      expect(all).toMatch(/"cx43" is sold out in nbg1, fsn1 and not sold in ash/);
      expect(all).toMatch(/nbg1: .*cx53.*; ash: .*cpx41.*Other locations: cx43 in hel1/);
    }
    expect(await writes()).toEqual([]);
  }, 300_000);

  it("of a host that exists keeps the server where it is", async () => {
    await declare({ location: "hel1" });
    expect((await buy()).exitCode).toBe(0);
    await declare({ location: ["nbg1", "fsn1"], serverTypes: ["cpx32"] });
    expect(await planned()).toEqual({ location: "create", type: "create", server: "same" });
    expect((await buy()).exitCode).toBe(0);
    expect(await planned()).toEqual({ location: "same", type: "same", server: "same" });
    expect([await drawnLocation(), await locationOf()]).toEqual(["hel1", "hel1"]);
  }, 300_000);
});

describe("further server types", () => {
  it("are ordered in their order while the first is sold out, and the server keeps the type that it got", async () => {
    await declare({ location: ["nbg1", "fsn1"], serverTypes: ["cx53", "cpx32"] });
    await control("sold-out", [...soldOut("cx43", pool), ...soldOut("cx53", pool), ...soldOut("cpx32", ["fsn1"])]);
    expect((await buy()).exitCode).toBe(0);
    const [server] = await servers();
    expect([server.server_type.name, server.location.name]).toEqual(["cpx32", "nbg1"]);
    await control("sold-out", []);
    expect(await planned()).toEqual({ location: "same", type: "same", server: "same" });
    await declare({ location: ["nbg1", "fsn1"], serverTypes: ["cpx32"] });
    expect(await planned()).toEqual({ location: "same", type: "same", server: "same" });
  }, 300_000);
});

/** What the state keeps. */
async function drawnLocation(): Promise<string | undefined> {
  return drawsIn(readState(demo.layout, demo.host).value, demo.host).location;
}
