import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa, type Options } from "execa";
import { afterAll, beforeAll, expect, it } from "vitest";
import { pointAt } from "../../cli/shared/emulator-env.ts";
import { git } from "../../core/base/machine/git.ts";
import { makePrivateFolder, writePrivateFile } from "../../core/base/machine/private-files.ts";
import { ensureSshKey } from "../../core/base/machine/ssh-keys.ts";
import { type Roster, readRoster } from "../../core/project/groups/roster.ts";
import { hostLayoutOf, type Layout, layoutOf } from "../../core/project/layout.ts";
import { openSecrets } from "../../core/project/secrets/open.ts";
import { readStackJson } from "../../core/project/settings/stack-json/stack-json.ts";
import { readState } from "../../core/project/state/state.ts";
import { initSecrets } from "../../core/tasks/init.ts";
import { type Emulator, startEmulator } from "../../emulator/index.ts";
import { engineEnvironment } from "../../engine/environment.ts";
import { findEngine } from "../../engine/find-engine.ts";
import { killProcessesOf } from "../_processes.ts";
import { repository } from "../_repository.ts";
import { clientOf } from "../emulator/_lab.ts";

/**
 * A group of hosts beside a host of its own, by the real engine and providers on the emulator, in a program as a team would write it.
 * NixOS is installed by the emulator's stand-in.
 */
const folder = mkdtempSync(join(tmpdir(), "clawdlets-group-"));
const layout: Layout = layoutOf(join(folder, "project"));
const engine = findEngine(repository) ?? ({} as never);
let emulator: Emulator;

const program = `import { readFileSync } from "node:fs";
import { Host, HostGroup, loadGroup, loadHost } from "./components/index.ts";

const { host, name, ...group } = JSON.parse(readFileSync("group.json", "utf8"));
if (host) new Host("web-1", await loadHost("web-1"));
const all = new HostGroup(name, await loadGroup(name, { like: "workers", ...group }));
export const names = all.names;
`;

beforeAll(async () => {
  mkdirSync(layout.stacks, { recursive: true });
  for (const file of ["bin", "components", "node_modules", "package.json", "tsconfig.json"])
    symlinkSync(join(repository, file), join(layout.root, file));
  writeFileSync(
    join(layout.root, "Pulumi.yaml"),
    readFileSync(join(repository, "Pulumi.yaml"), "utf8").replace(/^stackConfigDir:.*\n/m, ""),
  );
  writeFileSync(join(layout.root, "index.ts"), program);
  writeFileSync(join(layout.root, ".gitignore"), ".clawdlets/\noperator/\nnode_modules\n");
  emulator = await startEmulator({ data: join(folder, "emulator"), actionMs: 50 });
  makePrivateFolder(layout.dir);
  const entry = (host: string) => ({
    flakeHost: host,
    hetzner: { serverType: "cx43" },
    opentofu: { adminCidr: "127.0.0.1/32", sshPubkeyFile: "operator/id_ed25519.pub" },
    secrets: { localDir: `secrets/hosts/${host}`, remoteDir: `/var/lib/clawdlets/secrets/hosts/${host}` },
  });
  const hosts = { "web-1": entry("web-1"), workers: entry("workers") };
  await writePrivateFile(layout.stackJson, JSON.stringify({ schemaVersion: 3, hosts }));
  await ensureSshKey(join(layout.root, "operator", "id_ed25519"), "operator");
  await pointAt(join(layout.dir, ".env"), emulator);
  for (const host of Object.keys(hosts)) {
    const { store, required, facts } = openSecrets(layout, host, { environment: {}, sops: engine.sops });
    const values = { admin_password_hash: `$6$salt$${"a".repeat(86)}`, tailscale_auth_key: "tskey-auth-canary" };
    const more = { protect: false, rebuild: { onUp: "never" } };
    await initSecrets({ store, required, values, overwrite: false, settings: { ...facts, ...more } });
  }
  await git(layout.root, "init", "--quiet", "--initial-branch=main");
  await commit();
  await ok(pulumi("stack", "init"));
}, 120_000);

afterAll(async () => {
  await emulator?.close();
  rmSync(folder, { recursive: true, force: true });
});

const environment = () => engineEnvironment(layout, engine);
const pulumi = (...args: string[]) => start(engine.pulumi, [...args, "--stack", "prod", "--non-interactive"]);
const start = (file: string, args: string[], options: Options = {}) =>
  execa(file, args, { cwd: layout.root, env: environment(), reject: false, all: true, ...options });
const clawdlets = (...args: string[]) => start(join(repository, "bin", "clawdlets"), args, { stdin: "ignore" });
const declare = (group: object) => writeFileSync(join(layout.root, "group.json"), JSON.stringify(group));
const up = () => ok(pulumi("up", "--yes", "--skip-preview"));

async function ok(running: ReturnType<typeof start>): Promise<string> {
  const { exitCode, all } = await running;
  expect(exitCode, String(all)).toBe(0);
  return String(all);
}

async function commit(): Promise<void> {
  await git(layout.root, "add", "--all");
  const author = ["-c", "user.name=test", "-c", "user.email=test@clawdlets.invalid", "-c", "commit.gpgsign=false"];
  await execa("git", [...author, "commit", "--quiet", "-m", "hosts"], { cwd: layout.root });
}

/** New hosts: the first update draws names and makes keys, and buys nothing until their stack files are committed. */
async function grow(): Promise<void> {
  const ofGroup = () => servers().filter(({ name }) => name !== "web-1").length;
  const before = ofGroup();
  const refused = await pulumi("up", "--yes", "--skip-preview");
  expect([refused.exitCode === 0, ofGroup()], String(refused.all)).toEqual([false, before]);
  expect(String(refused.all)).toMatch(/stacks\/Pulumi\.\S+\.yaml is not committed.*git add/);
  await commit();
  await up();
}

async function control(what: string, body: unknown): Promise<void> {
  const { status } = await clientOf(emulator.endpoint, emulator.token)("POST", `/_emulator/${what}`, body);
  expect(status).toBeLessThan(300);
}

const servers = () => emulator.report().servers;
/** Servers that were installed once, by name. */
const installed = () =>
  Object.fromEntries(servers().map(({ name, id, installRuns, os }) => [name, { id, installRuns, os }]));
const roster = (group: string) => readRoster(layout, group) as Roster;
const names = (group: string) => roster(group).members.flatMap(({ name }) => name ?? []);
const pick = <T>(all: Record<string, T>, keys: readonly string[]) =>
  Object.fromEntries(Object.entries(all).filter(([key]) => keys.includes(key)));
/** Requests that change something, by kind. */
const writes = () =>
  Object.fromEntries(Object.entries(emulator.report().requests).filter(([request]) => !request.startsWith("GET")));

/** As if the hosts had been created this long ago. */
function age(group: string, hours: number): void {
  const file = join(layout.stacks, "groups", `${group}.json`);
  const createdAt = new Date(Date.now() - hours * 3_600_000).toISOString();
  const { members, ...rest } = roster(group);
  writeFileSync(file, JSON.stringify({ ...rest, members: members.map((each) => ({ ...each, createdAt })) }));
}

/** Everything that names a host, except what is kept of those that are gone. */
function expectForgotten(host: string): void {
  const files = hostLayoutOf(layout, host);
  for (const path of [files.stackFile, files.dir, files.identity, files.recipient, files.secrets])
    expect(existsSync(path), path).toBe(false);
  expect(readFileSync(layout.knownHosts, "utf8")).not.toContain(host);
  expect(Object.keys(readStackJson(layout).value?.hosts ?? {})).not.toContain(host);
  const gone = join(layout.dir, "gone", host);
  expect(statSync(join(gone, `Pulumi.${host}.yaml`)).mode & 0o077).toBe(0);
  expect(readdirSync(gone)).toEqual(
    expect.arrayContaining([`Pulumi.${host}.yaml`, "host", "identity.age.pub", "identity.agekey", "secrets"]),
  );
  const urns = (readState(layout, "prod").value?.resources ?? []).map(({ urn }) => urn);
  expect(urns.filter((urn) => urn.includes(host))).toEqual([]);
}

const minutes = (count: number) => count * 60_000;

it(
  "five are created, scaled to three and to six, outlived and reaped, and the host beside them stays as it is",
  async () => {
    declare({ name: "workers", host: true, count: 5, ttl: "8h" });
    await grow();
    const five = names("workers");
    expect(new Set(five).size).toBe(5);
    for (const name of five) expect(name).toMatch(/^workers-[a-z]+-[a-z]+$/);
    const first = installed();
    expect(Object.values(first).map(({ installRuns, os }) => [installRuns, os])).toEqual(Array(6).fill([1, "nixos"]));

    declare({ name: "workers", host: true, count: 0, protect: [five[4]], ttl: "8h" });
    const before = writes();
    const refused = await pulumi("preview");
    expect(refused.exitCode).not.toBe(0);
    expect(String(refused.all)).toMatch(/count: is 0, and 1 host is protected: workers-/);
    expect(writes()).toEqual(before);

    declare({ name: "workers", host: true, count: 3, ttl: "8h" });
    expect(await up()).toMatch(new RegExp(`no longer needed.*${five[4]}, ${five[3]}`));
    expect(installed()).toEqual(pick(first, ["web-1", ...five.slice(0, 3)]));
    for (const host of five.slice(3)) expectForgotten(host);

    declare({ name: "workers", host: true, count: 6, ttl: "8h" });
    await grow();
    const six = names("workers");
    expect([six.slice(0, 3), six.length]).toEqual([five.slice(0, 3), 6]);
    expect(pick(installed(), ["web-1", ...five])).toEqual(pick(first, ["web-1", ...five.slice(0, 3)]));

    expect(await ok(clawdlets("reap", "--yes"))).toContain("no host has outlived its time");
    age("workers", 9);
    const listed = await start(join(repository, "bin", "clawdlets"), ["reap", "--dry-run", "--json"], {
      stdin: "ignore",
    });
    expect(JSON.parse(String(listed.stdout))).toMatchObject({
      ok: true,
      dryRun: true,
      hosts: six.map((host) => ({ host })),
    });
    const unconfirmed = await clawdlets("reap");
    expect([unconfirmed.exitCode, servers().length]).toEqual([2, 7]);
    await ok(clawdlets("reap", "--yes", "--group", "workers"));
    expect(installed()).toEqual(pick(first, ["web-1"]));
    for (const host of six) expectForgotten(host);
    await ok(clawdlets("reap", "--yes"));
    // They count until the generation is raised: an update does not buy them again.
    expect(await up()).toMatch(/6 outlived earlier and still count/);
    expect(installed()).toEqual(pick(first, ["web-1"]));
  },
  minutes(15),
);

it(
  "a scale-down that is killed is finished by the next update",
  async () => {
    declare({ name: "crew", count: 2 });
    await grow();
    const [first = "", second = ""] = names("crew");
    const slow = { match: { method: "DELETE", path: "/servers/{id}" }, fault: { delayMs: 5000 } };
    await control("faults", [slow]);
    const deletions = () => emulator.report().requests["DELETE /servers/{id}"] ?? 0;
    const deleted = deletions();
    declare({ name: "crew", count: 1 });
    const running = start(engine.pulumi, ["up", "--yes", "--skip-preview", "--stack", "prod", "--non-interactive"], {
      detached: true,
    });
    await expect.poll(deletions, { timeout: minutes(2), interval: 100 }).toBeGreaterThan(deleted);
    process.kill(-(running.pid ?? 0), "SIGKILL");
    await running;
    killProcessesOf(layout.root);
    await control("faults", []);
    // Hetzner finishes the deletion, although nobody waits for the answer.
    await expect.poll(() => servers().some(({ name }) => name === second), { timeout: 60_000 }).toBe(false);
    // The engine does not know: the host is in its roster, and has its files.
    expect(names("crew")).toEqual([first, second]);
    expect(existsSync(hostLayoutOf(layout, second).identity)).toBe(true);

    await ok(pulumi("cancel", "--yes"));
    await up();
    expect(names("crew")).toEqual([first]);
    expect(Object.keys(installed()).filter((each) => each.startsWith("crew"))).toEqual([first]);
    expectForgotten(second);
    expect(await up()).toMatch(/unchanged/);
  },
  minutes(6),
);
