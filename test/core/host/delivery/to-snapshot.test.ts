import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { type Demo, prepareDemo } from "../../../../cli/demo/prepare.ts";
import { bootstrapRoute, readBootstrapKeys } from "../../../../core/host/install/bootstrap-keys.ts";
import { installIdOf } from "../../../../core/host/install/install-id.ts";
import { bootstrapUserData } from "../../../../core/host/install/user-data.ts";
import { readJournal } from "../../../../core/host/journal.ts";
import { probePort } from "../../../../core/host/reach/probe.ts";
import { ssh } from "../../../../core/host/reach/ssh.ts";
import { type HostLayout, hostLayoutOf } from "../../../../core/project/layout.ts";
import { addToStackFile } from "../../../../core/project/settings/stack-file.ts";
import { engineEnvironment } from "../../../../engine/environment.ts";
import { findEngine } from "../../../../engine/find-engine.ts";
import { repository } from "../../../_repository.ts";
import { clientOf, until } from "../../../emulator/_lab.ts";

/** `clawdlets install` on servers of the emulator that were made of a baked snapshot, with real ssh and tar on this side. */
const folder = mkdtempSync(join(tmpdir(), "clawdlets-delivery-"));
let demo: Demo;
let environment: Record<string, string>;
let files: HostLayout;
let image = "";
let serverId = 0;
let address = "";

const api = (method: string, path: string, body?: unknown) =>
  clientOf(environment["HCLOUD_ENDPOINT"] ?? "", environment["HCLOUD_TOKEN"] ?? "")(method, path, body);

const clawdlets = (args: string[], facts = "") =>
  execa(join(repository, "bin", "clawdlets"), [...args, "--host", demo.host], {
    cwd: demo.layout.root,
    env: { ...environment, CLAWDLETS_FACTS: facts },
    reject: false,
    all: true,
  });

beforeAll(async () => {
  demo = await prepareDemo(() => undefined, { root: join(folder, "project"), data: join(folder, "emulator") });
  const engine = findEngine(repository);
  if (!engine) throw new Error("no engine: run scripts/setup.sh");
  environment = engineEnvironment(demo.layout, engine);
  files = hostLayoutOf(demo.layout, demo.host);
  const baked = await clawdlets(["image", "bake", "--json"]);
  expect(baked.exitCode, baked.all).toBe(0);
  image = String(JSON.parse(baked.stdout).image);
  await addToStackFile(demo.layout, demo.host, { image, install: { mode: "snapshot" } }, ["image", "install"]);
}, 120_000);

afterEach(async () => {
  await api("DELETE", `/servers/${serverId}`);
});
afterAll(async () => {
  await demo?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A server of the snapshot, as the program makes it: behind a firewall that lets in nothing but ping. */
async function createServer(): Promise<string> {
  const keys = readBootstrapKeys(files);
  if (!keys) throw new Error("the project has no one-time keys");
  const rules = [{ direction: "in", protocol: "icmp", source_ips: ["0.0.0.0/0"] }];
  const { firewall } = (await api("POST", "/firewalls", { name: `closed-${Date.now()}`, rules })).body;
  const { server } = (
    await api("POST", "/servers", {
      name: demo.host,
      server_type: "cx43",
      image,
      location: "nbg1",
      firewalls: [{ firewall: firewall.id }],
      user_data: bootstrapUserData(keys),
    })
  ).body;
  serverId = server.id;
  address = server.public_net.ipv4.ip;
  await until("it is up", async () =>
    (await demo.report()).servers.some(({ id, isAnswering }) => id === serverId && isAnswering),
  );
  const installId = installIdOf({ host: demo.host, serverId, reinstall: 0 });
  return JSON.stringify({ serverId, address, installId });
}

const install = (facts: string) => clawdlets(["install"], facts);
const faults = (rules: unknown) => api("POST", `/_emulator/servers/${serverId}/command-faults`, rules);
const ports = async () => {
  const probe = await probePort(address, demo.sshPort, { timeoutMs: 2000 });
  return [probe, (await api("GET", "/firewalls?label_selector=clawdlets-window")).body.firewalls];
};
const clientKey = () => readFileSync(`${files.bootstrapClientKey}.pub`, "utf8");

/** Runs a command as root on the waiting server: behind a firewall of its own while it does. */
async function asRoot(command: string): Promise<string> {
  const source_ips = ["127.0.0.1/32"];
  const { firewall } = (
    await api("POST", "/firewalls", {
      name: `test-${Date.now()}`,
      rules: [{ direction: "in", protocol: "tcp", port: "22", source_ips }],
      apply_to: [{ type: "server", server: { id: serverId } }],
    })
  ).body;
  const route = await bootstrapRoute(files, demo.host, { address, port: demo.sshPort });
  let text = "";
  await until("a session", async () => {
    const { exitCode, stdout } = await ssh(route, command, { timeoutSeconds: 10 });
    text = stdout;
    return exitCode === 0;
  });
  const remove_from = [{ type: "server", server: { id: serverId } }];
  await api("POST", `/firewalls/${firewall.id}/actions/remove_from_resources`, { remove_from });
  await until("its firewall is gone", async () => (await api("DELETE", `/firewalls/${firewall.id}`)).status === 204);
  return text;
}

/** What a finished installation looks like from outside, whichever way it was done. */
async function expectLocked(run: Awaited<ReturnType<typeof install>>, keyBefore: string) {
  expect(run.exitCode, run.all).toBe(0);
  const journal = readJournal(files.journal);
  expect(journal?.state).toBe("done");
  expect(journal?.seen).toEqual({ before: "refused", during: "open", after: "refused" });
  expect(await ports()).toEqual(["refused", []]);
  expect(existsSync(files.staging)).toBe(false);
  // The one-time key has been used, so the next server gets another.
  expect(clientKey()).not.toBe(keyBefore);
  const machine = (await demo.report()).servers.find(({ id }) => id === serverId);
  expect(machine).toMatchObject({ os: "nixos", installRuns: 0, diskWipes: 0 });
}

describe("a delivery to a server of a baked snapshot", () => {
  it.each([
    ["refused by the server", "tar", 1],
    ["cut off before it is written to the disk", "sync", 255],
    ["not followed by a reboot", "reboot", 1],
  ])(
    "that is %s converges when it is repeated, with the same one-time key",
    async (_, command, exitCode) => {
      const facts = await createServer();
      const key = clientKey();
      await faults([{ command, exitCode, stderr: "no", times: 1 }]);
      const failed = await install(facts);
      expect(failed.exitCode, failed.all).toBe(7);
      expect(await ports()).toEqual(["refused", []]);
      expect(existsSync(files.staging)).toBe(false);
      expect(clientKey()).toBe(key);
      await expectLocked(await install(facts), key);
      expect((await install(facts)).all).not.toContain("sending keys");
    },
    120_000,
  );

  it("that is repeated leaves exactly the secrets that it was asked for, also after a cut between two renames", async () => {
    const facts = await createServer();
    const key = clientKey();
    await faults([{ command: "reboot", exitCode: 1, stderr: "no", times: 1 }]);
    expect((await install(facts)).exitCode).toBe(7);
    const secrets = `/var/lib/clawdlets/secrets/hosts/${demo.host}`;
    const onDisk = () => readdirSync(join(folder, "emulator", "machines", String(serverId), "disk", secrets, ".."));
    const expected = readdirSync(files.secrets).filter((name) => name.endsWith(".yaml"));
    expect(expected.length).toBeGreaterThan(1);
    // As after a delivery of one secret more, cut off where the earlier set has been moved away.
    const parent = `/var/lib/clawdlets/secrets/hosts`;
    await asRoot(
      `cd ${parent} && touch ${demo.host}/removed.yaml && mkdir .${demo.host}.new && touch .${demo.host}.new/half.yaml && mv ${demo.host} .${demo.host}.previous && sync`,
    );
    await expectLocked(await install(facts), key);
    expect(onDisk()).toEqual([demo.host]);
    const disk = join(folder, "emulator", "machines", String(serverId), "disk", secrets);
    expect(readdirSync(disk).sort()).toEqual(expected.sort());
  }, 120_000);

  it("that is repeated removes what is no longer in extra-files, and nothing that was there before", async () => {
    const disk = (path: string) => join(folder, "emulator", "machines", String(serverId), "disk", path);
    const add = (path: string, text: string) => {
      mkdirSync(dirname(join(files.extraFiles, path)), { recursive: true, mode: 0o755 });
      writeFileSync(join(files.extraFiles, path), text, { mode: 0o600 });
    };
    onTestFinished(() => rmSync(files.extraFiles, { recursive: true, force: true }));
    const facts = await createServer();
    const key = clientKey();
    await asRoot("mkdir -p /opt/theirs /opt/empty; echo theirs >/opt/theirs/file");
    for (const path of ["opt/kept", "opt/removed/a b'c", "opt/theirs/removed", "opt/empty/removed"]) add(path, "first");
    add("opt/turned", "a file");
    await faults([{ command: "reboot", exitCode: 1, stderr: "no", times: 1 }]);
    expect((await install(facts)).exitCode).toBe(7);
    expect(readFileSync(disk("opt/removed/a b'c"), "utf8")).toBe("first");
    rmSync(files.extraFiles, { recursive: true });
    add("opt/kept", "second");
    add("opt/turned/inside", "a folder");
    await expectLocked(await install(facts), key);
    const below = readdirSync(disk("opt"), { recursive: true, encoding: "utf8" }).sort();
    expect(below).toEqual(["empty", "kept", "theirs", "theirs/file", "turned", "turned/inside"]);
    expect(readFileSync(disk("opt/kept"), "utf8")).toBe("second");
  }, 120_000);

  it("that is killed while it sends leaves the port closed and converges", async () => {
    const facts = await createServer();
    const key = clientKey();
    await faults([{ command: "tar", hangs: true, times: 1 }]);
    const run = install(facts);
    run.all?.on("data", (chunk: Buffer) => String(chunk).includes("sending keys") && run.kill("SIGKILL"));
    expect((await run).signal).toBe("SIGKILL");
    await until("the guard has closed the port", async () => (await ports())[0] === "refused", 60);
    await faults([]); // Where it was killed before its tar began.
    await expectLocked(await install(facts), key);
  }, 120_000);

  it.each([
    ["a key", "mkdir -p /var/lib/sops-nix; touch /var/lib/sops-nix/key.txt", "/var/lib/sops-nix/key.txt"],
    [
      "a link to a tailnet's state",
      "mkdir -p /var/lib/tailscale; ln -s /tmp/a /var/lib/tailscale/tailscaled.state",
      "tailscaled.state",
    ],
    ["a host key", "touch /etc/ssh/ssh_host_rsa_key", "/etc/ssh/ssh_host_rsa_key"],
    [
      "the data of a bot",
      "mkdir -p /var/lib/clawdbot-maren; touch /var/lib/clawdbot-maren/a",
      "/var/lib/clawdbot-maren/a",
    ],
    ["another installation", "echo '#HOST# 0123456789abcdef' >/var/lib/clawdlets/image", "0123456789abcdef"],
    ["another host's system", "echo web-9 >/var/lib/clawdlets/image", 'it was baked for "web-9"'],
  ])(
    "is refused before anything is sent if the disk holds %s",
    async (_, plant, named) => {
      const facts = await createServer();
      await asRoot(plant.replace("#HOST#", demo.host));
      const refused = await install(facts);
      expect(refused.exitCode, refused.all).toBe(7);
      expect(refused.all).toContain(named);
      expect(refused.all).toContain("Nothing was sent.");
      expect(await ports()).toEqual(["refused", []]);
      expect(await asRoot("cat /var/lib/clawdlets/install-id 2>/dev/null || echo none")).toBe("none\n");
    },
    60_000,
  );
});
