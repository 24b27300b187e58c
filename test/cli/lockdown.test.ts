import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { hostLayoutOf, type Layout } from "../../core/project/layout.ts";
import { project, stackFile, upstreamStack } from "../_project.ts";
import { admin, LockdownLab, ping, ssh, windowOf } from "../core/host/lockdown/_lab.ts";

/** The commands as a person or cron runs them, each a process of its own, on a project that has neither engine nor keys. */
let world: LockdownLab;
beforeAll(async () => {
  world = await LockdownLab.open();
});
afterEach(() => world.reset());
afterAll(() => world?.lab.stop());

const host = "web-1";
const settings = (more = "") => `${stackFile}  clawdlets:tailnet: none\n${more}`;
const stackJson = (adminCidr = admin) => {
  const [entry] = Object.values(upstreamStack.hosts);
  return {
    ...upstreamStack,
    hosts: { [host]: { ...entry, flakeHost: host, opentofu: { ...entry?.opentofu, adminCidr } } },
  };
};

function projectOf(files: { stackFile?: string | null; stack?: unknown } = {}): Layout {
  const { endpoint, token, sshPort } = world.lab.emulator;
  const env = `HCLOUD_TOKEN=${token}\nHCLOUD_ENDPOINT=${endpoint}\nCLAWDLETS_SSH_PORT=${sshPort}\n`;
  return project({ stack: stackJson(), env, stackFile: settings(), ...files }, host);
}

async function clawdlets(layout: Layout, ...args: string[]) {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([key]) => !/^(HCLOUD|CLAWDLETS|PULUMI)_/.test(key)),
  );
  const program = join(process.cwd(), "bin", "clawdlets.mjs");
  const result = await execa(process.execPath, [program, ...args], {
    cwd: layout.root,
    env,
    extendEnv: false,
    reject: false,
  });
  return { ...result, json: args.includes("--json") && result.stdout !== "" ? JSON.parse(result.stdout) : undefined };
}

/** What the engine's file backend holds after an up, as far as it matters here. */
function writeState(layout: Layout, sshExposure: string, rules: object[], serverId = world.server.id): void {
  const facts = {
    serverId,
    address: world.server.ipv4,
    installId: "0".repeat(16),
    firewallId: world.firewallId,
    rules,
    sshExposure,
    tailnet: "none",
  };
  const lockdown = `urn:pulumi:${host}::clawdlets::clawdlets:index:Host$clawdlets:index:Lockdown::${host}`;
  const resources = [
    { urn: lockdown, type: "clawdlets:index:Lockdown" },
    {
      urn: `${lockdown}-proof`,
      type: "command:local:Command",
      parent: lockdown,
      inputs: { environment: { CLAWDLETS_FACTS: JSON.stringify(facts) } },
    },
    { urn: "urn:server", type: "hcloud:index/server:Server", id: String(serverId) },
  ];
  const folder = join(layout.state, ".pulumi", "stacks", "clawdlets");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${host}.json`), JSON.stringify({ version: 3, checkpoint: { latest: { resources } } }));
}

const declaredPing = { direction: "in", protocol: "icmp", sourceIps: ["0.0.0.0/0", "::/0"] };
const declaredSsh = { direction: "in", protocol: "tcp", port: "22", sourceIps: [admin] };
const openWindow = () => world.addFirewall("w", [ssh(admin)], { labels: windowOf(host) });

describe("clawdlets verify", () => {
  it("says that a host is locked down, and asks Hetzner nothing but questions", async () => {
    await world.lab.api("POST", "/_emulator/reset-counters");
    const { exitCode, stderr, json } = await clawdlets(projectOf(), "verify", "--json");
    expect(exitCode, stderr).toBe(0);
    expect(stderr).toMatch(
      /web-1: .*locked down.*: 1 rule, as declared, TCP\/22 is refused \(3 tries\), tailnet not asked for \(expected by the stack file\)/,
    );
    expect(json).toMatchObject({
      ok: true,
      hosts: [{ host, ok: true, exitCode: 0, seen: { serverId: world.server.id } }],
    });
    const requests = Object.entries(world.lab.emulator.report().requests);
    expect(requests.every(([request]) => request.startsWith("GET"))).toBe(true);
    expect(requests.reduce((sum, [, times]) => sum + times, 0)).toBe(4);
  });

  it("ends with 8 when a port is open", async () => {
    await world.setRules([ping, ssh("0.0.0.0/0")]);
    const { exitCode, stderr, json } = await clawdlets(projectOf(), "verify", "--json");
    expect([exitCode, json.ok]).toEqual([8, false]);
    expect(stderr).toMatch(/web-1: .*NOT LOCKED DOWN.*\n {2}wrong {4}an undeclared rule/);
  });

  it("knows by the state what was declared, beside what the stack file says now", async () => {
    const layout = projectOf({ stackFile: settings("  clawdlets:sshExposure: tailnet\n") });
    writeState(layout, "public", [declaredPing, declaredSsh]);
    await world.setRules([ping, ssh(admin)]);
    const { exitCode, stdout } = await clawdlets(layout, "verify");
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/warning {2}sshExposure is "tailnet" in the stack file, but the last up used "public"/);
    rmSync(layout.state, { recursive: true });
    expect((await clawdlets(layout, "verify")).exitCode).toBe(8);
  });

  it("warns of a window that is kept open on purpose", async () => {
    const layout = projectOf({ stackFile: settings("  clawdlets:sshExposure: bootstrap\n") });
    await openWindow();
    const { exitCode, stdout } = await clawdlets(layout, "verify");
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/warning {2}TCP\/22 IS OPEN to 127\.0\.0\.1\/32/);
  });

  it("checks all hosts, and ends with what is worst", async () => {
    const layout = projectOf();
    writeFileSync(hostLayoutOf(layout, "web-2").stackFile, stackFile);
    await openWindow();
    const { exitCode, json } = await clawdlets(layout, "verify", "--all", "--json");
    expect(exitCode).toBe(8);
    expect(json.hosts).toMatchObject([
      { host, ok: false, exitCode: 8 },
      { host: "web-2", ok: true, warnings: [expect.stringContaining("no server")] },
    ]);
  });

  it.each<[string, string[], RegExp]>([
    ["Hetzner cannot be asked", ["HCLOUD_ENDPOINT=http://127.0.0.1:9/v1"], /did not answer/],
    ["there is no token", ["HCLOUD_TOKEN="], /HCLOUD_TOKEN: missing/],
    ["the token has the wrong shape", ["HCLOUD_TOKEN=abc"], /HCLOUD_TOKEN: has 3 characters/],
    ["Hetzner does not know the token", [`HCLOUD_TOKEN=${"b".repeat(64)}`], /unauthorized/],
  ])(
    "does not say that a host is open when %s",
    async (_, lines, text) => {
      const layout = projectOf();
      const { endpoint, token, sshPort } = world.lab.emulator;
      const given = [`HCLOUD_TOKEN=${token}`, `HCLOUD_ENDPOINT=${endpoint}`, `CLAWDLETS_SSH_PORT=${sshPort}`, ...lines];
      writeFileSync(join(layout.dir, ".env"), `${given.join("\n")}\n`, { mode: 0o600 });
      for (const command of ["verify", "lockdown"]) {
        const { exitCode, stderr, json } = await clawdlets(layout, command, "--json");
        expect(stderr).toMatch(/NOT KNOWN whether it is locked down.*\n {2}unknown/);
        expect(stderr).toMatch(text);
        expect(stderr).not.toContain("NOT LOCKED DOWN");
        expect([exitCode, json.hosts[0].answer], command).toEqual([13, "unknown"]);
      }
      expect((await clawdlets(layout, "status", "--no-drift")).exitCode).toBe(13);
    },
    180_000,
  );

  it("does not know of a server that is off, though its port is closed", async () => {
    const power = (to: string) => world.lab.api("POST", `/_emulator/servers/${world.server.id}/power-${to}`);
    await power("cut");
    const { exitCode, stderr, json } = await clawdlets(projectOf(), "verify", "--json");
    await power("on");
    const said = expect.stringMatching(/the server is off, not running\. Switch it on: clawdlets up --host web-1/);
    expect([exitCode, json.hosts[0].answer, stderr]).toEqual([13, "unknown", said]);
  });

  it("is locked, and not as declared, where a declared rule is missing", async () => {
    const layout = projectOf();
    writeState(layout, "public", [declaredPing, declaredSsh]);
    const { exitCode, stderr, json } = await clawdlets(layout, "verify", "--json");
    expect([exitCode, json.hosts[0].answer]).toEqual([1, "locked"]);
    expect(stderr).toMatch(/locked down, but not as declared.*\n {2}wrong {4}a declared rule is missing: in tcp\/22/);
  });

  it("says that a server the state names is gone", async () => {
    const layout = projectOf();
    writeState(layout, "tailnet", [declaredPing], 999_999);
    const { exitCode, stdout } = await clawdlets(layout, "verify");
    expect(stdout).toMatch(/Hetzner does not have server 999999, which the state names/);
    expect(exitCode).toBe(13);
  });

  it("refuses a host's name that is invalid, and two ways of naming", async () => {
    const layout = projectOf();
    expect(await clawdlets(layout, "verify", "--host", "web,X")).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('"X" is not a host name'),
    });
    expect(await clawdlets(layout, "verify", "--host", host, "--all")).toMatchObject({ exitCode: 2 });
  });
});

describe("clawdlets lockdown", () => {
  it("closes the window and then shows that it is closed", async () => {
    await openWindow();
    const { exitCode, stderr, json } = await clawdlets(projectOf(), "lockdown", "--json");
    expect(exitCode, stderr).toBe(0);
    expect(stderr).toMatch(/web-1: Hetzner reports 1 window closed\n.*locked down/);
    expect(json).toMatchObject({ ok: true, hosts: [{ closed: { windows: 1, rules: [] }, seen: { ok: true } }] });
  });

  it.each<[string, Parameters<typeof projectOf>[0], (layout: Layout) => void]>([
    ["no YAML", { stackFile: "config: [" }, () => undefined],
    ["wrong settings", { stackFile: "config:\n  clawdlets:serverTyp: 7\n" }, () => undefined],
    ["no stack file at all", { stackFile: null }, () => undefined],
    ["a broken stack.json too", { stackFile: "nonsense: {", stack: "{" }, () => undefined],
    [
      "a broken state too",
      { stackFile: "nonsense: {" },
      (layout) => {
        const folder = join(layout.state, ".pulumi", "stacks", "clawdlets");
        mkdirSync(folder, { recursive: true });
        writeFileSync(join(folder, `${host}.json`), "{");
      },
    ],
  ])("closes and shows it with %s", async (_, files, spoil) => {
    const layout = projectOf(files);
    spoil(layout);
    await openWindow();
    await world.setRules([ping, ssh(admin)]);
    const { exitCode, stdout } = await clawdlets(layout, "lockdown", "--host", host);
    expect(exitCode, stdout).toBe(0);
    expect(stdout).toMatch(
      /Hetzner reports 1 window closed\n.*a rule removed: in tcp\/22.*\n.*locked down.*\(expected by the labels\)/,
    );
  });

  it("does not believe itself: with another firewall on the server it fails and says which", async () => {
    await world.addFirewall("stray", [ssh(admin)]);
    const { exitCode, stdout } = await clawdlets(projectOf(), "lockdown");
    expect(exitCode).toBe(8);
    expect(stdout).toMatch(
      /NOT LOCKED DOWN.*\n.*another firewall is on the server: "stray" \(\d+\), which opens TCP\/22/,
    );
  });

  it("leaves the declared rule of a public host, and a stack file that says bootstrap does not keep anything open", async () => {
    const layout = projectOf({ stackFile: settings("  clawdlets:sshExposure: bootstrap\n") });
    await openWindow();
    expect((await clawdlets(layout, "lockdown")).stdout).toMatch(/Hetzner reports 1 window closed\n.*locked down/);
    writeState(layout, "public", [declaredPing, declaredSsh]);
    await world.setRules([ping, ssh(admin)]);
    const { exitCode, stdout } = await clawdlets(layout, "lockdown");
    expect([exitCode, stdout]).toEqual([0, expect.stringMatching(/no window was open\n.*locked down/)]);
  });
});
