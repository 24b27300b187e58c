import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type Demo, prepareDemo } from "../../cli/demo/prepare.ts";
import { runDemo } from "../../cli/demo/run.ts";
import { publicKeyOf, replaceSshKey } from "../../core/base/machine/ssh-keys.ts";
import { readJournal } from "../../core/host/journal.ts";
import { fingerprintOf } from "../../core/host/reach/host-key.ts";
import { hostLayoutOf } from "../../core/project/layout.ts";
import { addToStackFile } from "../../core/project/settings/stack-file.ts";
import { engineEnvironment } from "../../engine/environment.ts";
import { findEngine } from "../../engine/find-engine.ts";
import { up } from "../../engine/up.ts";
import { repository } from "../_repository.ts";
import { stage } from "../order/stage.ts";
import { recordedState } from "./_recorded-tofu.ts";

/**
 * A host as upstream's OpenTofu leaves it (regenrek/clawdlets b49d4af, infra/opentofu): installed, without our labels, protection,
 * ping rule and one-time key. Made of a host of ours, from which all that is taken away again; its terraform.tfstate is one that
 * OpenTofu wrote, with this host's ids. `adopt-tofu.test.ts` has the real OpenTofu instead, where it is built.
 */
const folder = mkdtempSync(join(tmpdir(), "clawdlets-adopt-"));
const lines: string[] = [];
const progress = Object.assign((text: string) => void lines.push(text), { startedAt: Date.now() });
const engine = findEngine(repository);
let demo: Demo;
let hostKey: string;
let ids: { server: number; firewall: number };

// biome-ignore lint/suspicious/noExplicitAny: the API's answers, in shapes the test knows
async function api(method: string, path: string, body?: unknown): Promise<any> {
  const { HCLOUD_ENDPOINT, HCLOUD_TOKEN } = engineEnvironment(demo.layout, engine ?? ({} as never));
  const response = await fetch(`${HCLOUD_ENDPOINT}${path}`, {
    method,
    headers: { authorization: `Bearer ${HCLOUD_TOKEN}`, "content-type": "application/json" },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  expect(response.ok, `${method} ${path}: ${response.status}`).toBe(true);
  return response.status === 204 ? undefined : response.json();
}

const clawdlets = (...args: string[]) =>
  execa(process.execPath, [join(repository, "bin", "clawdlets.mjs"), ...args], {
    cwd: demo.layout.root,
    reject: false,
    all: true,
    stdin: "ignore",
  });

const adopt = (...args: string[]) => clawdlets("adopt", "--host", demo.host, ...args);
const tfstate = () => join(demo.layout.root, "infra", "opentofu", "terraform.tfstate");
const remote = async () => [await api("GET", `/servers/${ids.server}`), await api("GET", `/firewalls/${ids.firewall}`)];
const writes = async () => Object.entries((await demo.report()).requests).filter(([path]) => !path.startsWith("GET"));

beforeAll(async () => {
  demo = await prepareDemo(progress, { root: join(folder, "project"), data: join(folder, "emulator") });
  await runDemo(demo, progress);
  await leaveAsUpstream();
}, 600_000);

afterAll(async () => {
  await demo?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Sets the firewall's rules, and waits until they are applied. */
async function setRules(rules: unknown[]): Promise<void> {
  await api("POST", `/firewalls/${ids.firewall}/actions/set_rules`, { rules });
  const settled = { locked: false, public_net: { firewalls: [{ id: ids.firewall, status: "applied" }] } };
  await vi.waitFor(async () => expect((await remote())[0].server).toMatchObject(settled), { timeout: 20_000 });
}

async function leaveAsUpstream(): Promise<void> {
  const { layout, host } = demo;
  const files = hostLayoutOf(layout, host);
  hostKey = publicKeyOf(files.hostKey);
  const { servers } = await api("GET", "/servers");
  const { firewalls } = await api("GET", "/firewalls");
  ids = { server: servers[0].id, firewall: firewalls[0].id };
  await api("POST", `/servers/${ids.server}/actions/change_protection`, { delete: false, rebuild: false });
  await api("PUT", `/servers/${ids.server}`, { labels: {} });
  await api("PUT", `/firewalls/${ids.firewall}`, { labels: {} });
  for (const { id } of (await api("GET", "/ssh_keys")).ssh_keys) await api("DELETE", `/ssh_keys/${id}`);
  await setRules([]);
  // Nothing of ours knows the host any more; its key is another than the one that init has made here.
  for (const path of [layout.state, files.journal, layout.knownHosts]) rmSync(path, { recursive: true, force: true });
  await replaceSshKey(files.hostKey, host);
  await addToStackFile(layout, host, { sshHostKey: publicKeyOf(files.hostKey) }, ["sshHostKey"]);
  mkdirSync(join(layout.root, "infra", "opentofu"), { recursive: true });
  const recorded = recordedState()
    .replaceAll("127.64.0.1", servers[0].public_net.ipv4.ip)
    .replaceAll("100000001", String(ids.server))
    .replaceAll("2000001", String(ids.firewall));
  writeFileSync(tfstate(), recorded);
}

const exactly = () => ["--yes", "--host-key", fingerprintOf(hostKey)];
const stackFileOf = () => hostLayoutOf(demo.layout, demo.host).stackFile;
const seenNow = async () => ({ remote: await remote(), stackFile: readFileSync(stackFileOf(), "utf8") });

const refusals: Readonly<Record<string, readonly [args: string[], code: number, reason: RegExp]>> = {
  "nobody has compared the key": [["--yes"], 2, /presents the key SHA256:\S+\. Compare it with the one on the console/],
  "another key answers": [["--yes", "--host-key", "SHA256:other"], 7, /presents the key SHA256:\S+, not SHA256:other/],
  "there is no state": [["--tfstate", "elsewhere.tfstate"], 3, /elsewhere\.tfstate: .*there is no such file/],
};

/** All refusals, before anything is taken over: afterwards there is one more reason to refuse. */
const refused = stage(async () => {
  const runOf = async (args: string[]) => {
    const before = await seenNow();
    const { exitCode, all } = await adopt(...args);
    const journal = readJournal(hostLayoutOf(demo.layout, demo.host).journal);
    return { before, exitCode, all, after: await seenNow(), journal };
  };
  const runs = new Map<string, Awaited<ReturnType<typeof runOf>>>();
  for (const [name, [args]] of Object.entries(refusals)) runs.set(name, await runOf(args));
  const files = [stackFileOf(), demo.layout.stackJson];
  const before = files.map((file) => readFileSync(file, "utf8"));
  for (const [index, file] of files.entries()) {
    writeFileSync(file, (before[index] ?? "").replace("cx43", "cx53"));
  }
  const otherType = await adopt(...exactly());
  for (const [index, file] of files.entries()) writeFileSync(file, before[index] ?? "");
  return { runs, otherType };
});

const takenOver = stage(async () => {
  await refused();
  const before = { remote: await remote(), writes: await writes() };
  const run = await adopt(...exactly(), "--json");
  return { run, before, after: { remote: await remote(), writes: await writes() } };
});

const updated = stage(async () => {
  await takenOver();
  const before = (await demo.report()).servers[0];
  lines.length = 0;
  await up({ ...demo, environment: process.env, progress }).catch((error) =>
    expect.fail(`${error}\n${lines.join("\n")}`),
  );
  return { before, after: (await demo.report()).servers[0], remote: await remote() };
});

describe("taking over is refused, with nothing written anywhere, when", () => {
  it.each(Object.entries(refusals))(
    "%s",
    async (name, [, code, reason]) => {
      const { before, exitCode, all, after, journal } = (await refused()).runs.get(name) ?? expect.fail(name);
      expect([exitCode, all]).toEqual([code, expect.stringMatching(reason)]);
      expect(after).toEqual(before);
      expect(journal).toBeUndefined();
    },
    600_000,
  );

  it("the stack file says another server type: the next up would resize it", async () => {
    const { exitCode, all } = (await refused()).otherType;
    expect([exitCode, all]).toEqual([3, expect.stringMatching(/serverType: is "cx53", but Hetzner has "cx43"/)]);
  }, 600_000);
});

describe("taking over", () => {
  it("changes neither server nor firewall, and ends with a preview without replacement", async () => {
    const { run, before, after } = await takenOver();
    const { exitCode, all, stdout } = run;
    expect(exitCode, all).toBe(0);
    const { changes, ...result } = JSON.parse(stdout);
    expect(result).toEqual({
      ok: true,
      host: demo.host,
      serverId: ids.server,
      firewallId: ids.firewall,
      hostKey: fingerprintOf(hostKey),
      closes: [],
      leftAlone: [],
    });
    expect(Object.keys(changes).filter((operation) => /replace|delete/.test(operation))).toEqual([]);
    expect(changes.update, JSON.stringify(changes)).toBe(2);
    expect(after).toEqual(before);
  }, 600_000);

  it("is refused a second time", async () => {
    await takenOver();
    const { exitCode, all } = await adopt(...exactly());
    expect([exitCode, all]).toEqual([2, expect.stringMatching(/its stack already has a server/)]);
  }, 600_000);

  it("leaves a host that up labels, protects and proves closed, and neither boots nor installs again", async () => {
    const { before, after, remote: answers } = await updated();
    expect(after).toMatchObject({ id: before?.id, bootId: before?.bootId, installRuns: 1, diskWipes: 1 });
    const [{ server }, { firewall }] = answers;
    expect(server.protection).toEqual({ delete: false, rebuild: false }); // The demo's stack says protect: false.
    expect(server.labels).toMatchObject({ "clawdlets-host": demo.host });
    expect(firewall.rules).toMatchObject([{ protocol: "icmp" }]);
    expect(Object.keys((await up({ ...demo, environment: process.env, progress })).changes)).toEqual(["same"]);
  }, 600_000);
});

describe("clawdlets status", () => {
  it("shows the host from every side: Hetzner, the port, the host itself, sops, the engine", async () => {
    await updated();
    const file = join(folder, "status.html");
    const { exitCode, all, stdout } = await clawdlets("status", "--json", "--html", file);
    const { ok, hosts } = JSON.parse(stdout);
    expect(hosts, all).toMatchObject([
      {
        host: demo.host,
        server: { id: ids.server, type: "cx43", location: "nbg1", state: "running" },
        ipv4: expect.stringMatching(/^127\./),
        ssh: "closed",
        tailnet: "answers",
        tailnetKeyExpires: "never",
        installId: expect.stringMatching(/^[0-9a-f]{16}$/),
        systemPath: expect.stringMatching(/^\/nix\/store\//),
        seenOn: "host",
        systemDays: 0,
        secrets: { oldestDays: 0 },
        drift: {},
        cost: { monthlyNet: 16.49, currency: "EUR" },
        problems: [],
      },
    ]);
    expect([ok, exitCode]).toEqual([true, 0]);
    expect(readFileSync(file, "utf8")).toContain(hosts[0].ipv4);
    const table = await clawdlets("status", "--no-drift");
    expect(table.stdout).toMatch(/^host .* a month\n.*16\.49 EUR net/);
  }, 600_000);

  it("says what would change, and that a port is open, and fails", async () => {
    await updated();
    const { rules } = (await api("GET", `/firewalls/${ids.firewall}`)).firewall;
    const open = [{ direction: "in", protocol: "tcp", port: "22", source_ips: ["0.0.0.0/0"] }];
    await setRules(open);
    const { exitCode, all, stdout } = await clawdlets("status", "--json");
    await setRules(rules);
    const [host] = JSON.parse(stdout).hosts;
    expect([exitCode, host.ok, host.drift], all).toEqual([8, false, { update: 1 }]);
    expect(host.problems.join("\n")).toMatch(/TCP\/22/);
  }, 600_000);
});
