import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Demo, prepareDemo } from "../../../../cli/demo/prepare.ts";
import { problemSentence } from "../../../../core/base/problem.ts";
import { readBootstrapKeys } from "../../../../core/host/install/bootstrap-keys.ts";
import { install as installInProcess } from "../../../../core/host/install/install.ts";
import { installIdOf } from "../../../../core/host/install/install-id.ts";
import { preflight } from "../../../../core/host/install/preflight.ts";
import { bootstrapUserData } from "../../../../core/host/install/user-data.ts";
import { readJournal } from "../../../../core/host/journal.ts";
import { probePort } from "../../../../core/host/reach/probe.ts";
import { ssh } from "../../../../core/host/reach/ssh.ts";
import { readWindowJournal } from "../../../../core/host/window/window-journal.ts";
import { hostLayoutOf } from "../../../../core/project/layout.ts";
import { loadHost } from "../../../../core/project/settings/host.ts";
import { addToStackFile } from "../../../../core/project/settings/stack-file.ts";
import { engineEnvironment } from "../../../../engine/environment.ts";
import { findEngine } from "../../../../engine/find-engine.ts";

/** `clawdlets install` as the stack runs it, on a server of the emulator, with real ssh and the stand-in installer. */
const folder = mkdtempSync(join(tmpdir(), "clawdlets-install-"));
let demo: Demo;
let environment: Record<string, string>;
let sops = "";
let serverId = 0;

beforeAll(async () => {
  demo = await prepareDemo(() => undefined, { root: join(folder, "project"), data: join(folder, "emulator") });
  const engine = findEngine(process.cwd());
  if (!engine) throw new Error("no engine: run scripts/setup.sh");
  environment = engineEnvironment(demo.layout, engine);
  sops = engine.sops;
}, 60_000);

afterAll(async () => {
  await demo?.close();
  rmSync(folder, { recursive: true, force: true });
});

afterEach(async () => {
  await api("DELETE", `/servers/${serverId}`);
});

async function api(method: string, path: string, body?: unknown) {
  const url = path.startsWith("/_emulator")
    ? new URL(path, environment["HCLOUD_ENDPOINT"])
    : `${environment["HCLOUD_ENDPOINT"]}${path}`;
  const response = await fetch(url, {
    method,
    headers: { authorization: `Bearer ${environment["HCLOUD_TOKEN"]}`, "content-type": "application/json" },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return text === "" ? undefined : JSON.parse(text);
}

/** A server as the program makes it: behind a firewall that lets nothing in but ping, born with the one-time keys. */
async function createServer(): Promise<{ address: string; facts: string; installId: string }> {
  const { firewall } = await api("POST", "/firewalls", {
    name: `closed-${Date.now()}`,
    rules: [{ direction: "in", protocol: "icmp", source_ips: ["0.0.0.0/0"] }],
  });
  const keys = readBootstrapKeys(hostLayoutOf(demo.layout, demo.host));
  if (!keys) throw new Error("the project has no one-time keys");
  const { server } = await api("POST", "/servers", {
    name: demo.host,
    server_type: "cx43",
    image: "debian-12",
    location: "nbg1",
    firewalls: [{ firewall: firewall.id }],
    user_data: bootstrapUserData(keys),
  });
  serverId = server.id;
  await expect.poll(async () => (await api("GET", `/servers/${serverId}`)).server.status).toBe("running");
  const address = server.public_net.ipv4.ip as string;
  const installId = installIdOf({ host: demo.host, serverId, reinstall: 0 });
  return { address, installId, facts: JSON.stringify({ serverId, address, installId }) };
}

const install = (facts: string) =>
  execa(join(process.cwd(), "bin", "clawdlets"), ["install", "--host", demo.host], {
    cwd: demo.layout.root,
    env: { ...environment, CLAWDLETS_FACTS: facts },
    reject: false,
    all: true,
  });

const commit = () =>
  execa(
    "git",
    ["-c", "user.name=t", "-c", "user.email=t@t.invalid", "commit", "--all", "--quiet", "-m", "stack file"],
    {
      cwd: demo.layout.root,
    },
  );
const seen = (address: string) => probePort(address, demo.sshPort, { timeoutMs: 2000 });
const server = async () => (await demo.report()).servers.find(({ id }) => id === serverId);
const windows = async () => (await api("GET", "/firewalls?label_selector=clawdlets-window")).firewalls;
const reached = (child: ReturnType<typeof install>, text: string) =>
  new Promise<void>((resolve) => child.all?.on("data", (chunk: Buffer) => String(chunk).includes(text) && resolve()));

describe("clawdlets install", () => {
  it.each([
    ["/dev/vda", "no disk /dev/vda; it has /dev/sda (76 GiB). Nothing was erased"],
    ["/dev/sda1", "no disk /dev/sda1; it has /dev/sda (76 GiB). Nothing was erased"],
  ])(
    "looks for the disk before anything is erased: %s",
    async (disk, message) => {
      const { address, facts } = await createServer();
      const stackFile = readFileSync(hostLayoutOf(demo.layout, demo.host).stackFile, "utf8");
      try {
        await addToStackFile(demo.layout, demo.host, { install: { disk } }, ["install"]);
        const { exitCode, all } = await install(facts);
        expect(exitCode).not.toBe(0);
        expect(all).toContain(message);
        expect(await server()).toMatchObject({ diskWipes: 0, installRuns: 0 });
        expect(await seen(address)).toBe("refused");
      } finally {
        writeFileSync(hostLayoutOf(demo.layout, demo.host).stackFile, stackFile);
      }
      expect((await install(facts)).exitCode).toBe(0);
    },
    60_000,
  );

  it('leaves the window open with sshExposure "bootstrap", says so, and lockdown closes it', async () => {
    const { address, facts } = await createServer();
    const stackFile = readFileSync(hostLayoutOf(demo.layout, demo.host).stackFile, "utf8");
    try {
      await addToStackFile(demo.layout, demo.host, { sshExposure: "bootstrap" }, ["sshExposure"]);
      await commit(); // The host's own firewall follows from the stack file too.
      const { exitCode, all } = await install(facts);
      expect(exitCode, all).toBe(0);
      expect(all).toContain(`TCP/22 STAYS OPEN to the admin networks`);
      expect(await seen(address)).toBe("open");
      expect(readWindowJournal(hostLayoutOf(demo.layout, demo.host).windows).at(-1)?.event).toBe("kept");
      const lockdown = await execa(join(process.cwd(), "bin", "clawdlets"), ["lockdown", "--host", demo.host], {
        cwd: demo.layout.root,
        env: environment,
        reject: false,
        all: true,
      });
      expect(lockdown.all).toContain("Hetzner reports 1 window closed");
      expect(await seen(address)).toBe("refused");
      expect(await windows()).toEqual([]);
    } finally {
      writeFileSync(hostLayoutOf(demo.layout, demo.host).stackFile, stackFile);
      await commit();
    }
  }, 60_000);

  it("is stopped, and the port closed, when the window's time is over", async () => {
    const { address, facts } = await createServer();
    const hangs = [{ command: "nixos-install", hangs: true }];
    await api("POST", `/_emulator/servers/${serverId}/command-faults`, hangs);
    const { settings, local } = loadHost(demo.layout, demo.host, environment);
    // Fifteen seconds, of which the last ten are the guard's.
    const deadlines = { ...settings.install.deadlines, window: 0.25 };
    const lines: string[] = [];
    const request = {
      layout: demo.layout,
      settings: { ...settings, install: { ...settings.install, deadlines } },
      local,
      facts: JSON.parse(facts),
      signal: new AbortController().signal,
      report: (step: string, text: string) => void lines.push(`${step} ${text}`),
    };
    await expect(installInProcess(request)).rejects.toThrow(/within the 0\.25 minutes that its window may stay open/);
    expect(await seen(address)).toBe("refused");
    expect(await windows()).toEqual([]);
  }, 60_000);

  /** Runs an installation in this process, and does something to it at one of its steps. */
  async function installAnd(facts: string, atConnect: () => void | Promise<void>) {
    const { settings, local } = loadHost(demo.layout, demo.host, environment);
    let begun = false;
    const report = (step: string) => {
      if (step !== "connect" || begun) return;
      begun = true;
      void atConnect();
    };
    const request = { layout: demo.layout, settings, local, facts: JSON.parse(facts), report };
    const stopped = new AbortController();
    const ended = installInProcess({ ...request, signal: stopped.signal });
    return { ended, stop: () => stopped.abort(new Error("stopped by the test")) };
  }

  it("closes the port when the journal cannot be written any more", async () => {
    const { address, facts } = await createServer();
    const { journal } = hostLayoutOf(demo.layout, demo.host);
    try {
      const { ended } = await installAnd(facts, () => {
        rmSync(journal);
        mkdirSync(join(journal, "in the way"), { recursive: true });
      });
      await expect(ended).rejects.toThrow("install.json is not a plain file");
      expect(await seen(address)).toBe("refused");
      expect(await windows()).toEqual([]);
    } finally {
      rmSync(journal, { recursive: true, force: true });
    }
  }, 60_000);

  it("ends with an error when the window cannot be closed, and the guard closes it once that is possible", async () => {
    const { address, facts } = await createServer();
    const down = { status: 503, code: "unavailable", message: "down" };
    const { ended, stop } = await installAnd(facts, async () => {
      const match = { method: "POST", path: "/firewalls/{id}/actions/set_rules" };
      await api("POST", "/_emulator/faults", [{ match, fault: { respond: down } }]);
      stop();
    });
    try {
      await expect(ended).rejects.toThrow("The guard keeps trying to close it");
      expect(await seen(address)).toBe("open");
    } finally {
      await api("POST", "/_emulator/faults", []);
    }
    await expect.poll(() => seen(address), { timeout: 30_000 }).toBe("refused");
    await expect.poll(windows, { timeout: 30_000 }).toEqual([]);
  }, 120_000);

  it("finds a host that answers over its tailnet alone, whatever this machine has forgotten", async () => {
    const { address, facts } = await createServer();
    expect((await install(facts)).exitCode).toBe(0);
    rmSync(hostLayoutOf(demo.layout, demo.host).journal);
    const again = await install(facts);
    expect(again.exitCode, again.all).toBe(0);
    expect(JSON.parse(again.stdout)).toMatchObject({ installed: false });
    // The window was open meanwhile, and nothing to be seen of it.
    expect(await seen(address)).toBe("refused");
    expect(await server()).toMatchObject({ installRuns: 1, diskWipes: 1 });
  }, 60_000);

  it("installs once, and a second run touches nothing", async () => {
    const { address, facts, installId } = await createServer();
    const first = await install(facts);
    expect(first.exitCode, first.all).toBe(0);
    expect(JSON.parse(first.stdout)).toMatchObject({ host: demo.host, installId, installed: true });
    expect(await seen(address)).toBe("refused");
    expect(await windows()).toEqual([]);
    const again = await install(facts);
    expect(JSON.parse(again.stdout)).toMatchObject({ installed: false });
    expect(await server()).toMatchObject({ installRuns: 1, diskWipes: 1, os: "nixos" });

    // The journal is this machine's memory only; without it the host itself says that it is installed.
    const files = hostLayoutOf(demo.layout, demo.host);
    rmSync(files.journal);
    mkdirSync(join(files.staging, "var"), { recursive: true }); // As after SIGKILL, on a host that has come up since.
    const forgotten = await install(facts);
    expect(JSON.parse(forgotten.stdout)).toMatchObject({ installed: false });
    expect(existsSync(files.staging)).toBe(false);
    expect(await server()).toMatchObject({ installRuns: 1, diskWipes: 1 });

    const other = await install(JSON.stringify({ ...JSON.parse(facts), installId: "0".repeat(16) }));
    expect(other.exitCode).toBe(7);
    expect(other.stderr).toContain("It was not changed");
    expect(await server()).toMatchObject({ installRuns: 1, diskWipes: 1 });
    expect(await seen(address)).toBe("refused");
  }, 90_000);

  it("brings what stands in the tree that upstream sends, and checks owner and mode of it", async () => {
    const files = hostLayoutOf(demo.layout, demo.host);
    rmSync(files.journal, { force: true }); // Nothing is installed yet: an installed host's own key is not required.
    const put = (path: string, content: string, mode: number) => {
      mkdirSync(dirname(join(files.extraFiles, path)), { recursive: true });
      writeFileSync(join(files.extraFiles, path), content);
      chmodSync(join(files.extraFiles, path), mode);
    };
    put("etc/foo", "foo\n", 0o644);
    put("srv/it's mine/b ar", "bar\n", 0o640);
    put("root/note", "note\n", 0o600);
    put(
      "var/lib/sops-nix/key.txt",
      /AGE-SECRET-KEY-1\w+\n/.exec(readFileSync(files.identity, "utf8"))?.[0] ?? "",
      0o600,
    );
    const secret = `var/lib/clawdlets/secrets/hosts/${demo.host}/admin_password_hash.yaml`;
    put(secret, "", 0o600);
    const localSecret = join(files.secrets, "admin_password_hash.yaml");
    renameSync(localSecret, join(files.extraFiles, secret));
    try {
      const { settings, local } = loadHost(demo.layout, demo.host, environment);
      const problems = () => preflight({ layout: demo.layout, settings, local, sops });
      expect(await problems()).toEqual([]);
      mkdirSync(join(demo.layout.root, "bots/maren"), { recursive: true });
      writeFileSync(join(demo.layout.root, "bots/maren/openclaw.json"), "{ gateway: { mode: 'local', bind: 'lan' } }");
      const withBot = { layout: demo.layout, settings: { ...settings, bots: ["maren"] }, local, sops };
      expect((await preflight(withBot)).map(({ code, setting }) => [code, setting])).toEqual([
        ["secret-missing", "maren_openclaw_gateway_token"],
        ["bot-unsafe", "gateway.bind"],
      ]);
      symlinkSync("/etc/shadow", join(files.extraFiles, "etc/bar"));
      renameSync(files.hostKey, `${files.hostKey}.kept`);
      const found = await problems();
      renameSync(`${files.hostKey}.kept`, files.hostKey);
      rmSync(join(files.extraFiles, "etc/bar"));
      expect(found.map((each) => `${each.subject} ${problemSentence(each)}`)).toEqual([
        expect.stringMatching(/ssh_host_ed25519_key missing/),
        expect.stringMatching(/etc\/bar is a link/),
      ]);

      const { facts } = await createServer();
      const result = await install(facts);
      expect(result.exitCode, result.all).toBe(0);
      const route = {
        address: (await server())?.tailnetIpv4 ?? "",
        port: demo.sshPort,
        user: "admin",
        alias: demo.host,
        knownHosts: demo.layout.knownHosts,
        identity: join(demo.layout.root, "operator", "id_ed25519"),
      };
      const on = async (command: string) => (await ssh(route, command, { timeoutSeconds: 20 })).stdout;
      expect(await on(`stat -c '%a %u %g' /etc/foo "/srv/it's mine/b ar" /${secret} /var/lib/sops-nix/key.txt`)).toBe(
        "644 0 0\n640 0 0\n400 0 0\n400 0 0\n",
      );
      expect(await on("cat /etc/foo")).toBe("foo\n");
      expect(result.stderr).toMatch(
        /\[confirm\] sent, but not checked, because only root can read the folder: \/root\/note\n/,
      );
    } finally {
      renameSync(join(files.extraFiles, secret), localSecret);
      rmSync(dirname(files.extraFiles), { recursive: true });
    }
  }, 60_000);

  it("sends nothing to a machine in the middle", async () => {
    const { address, facts } = await createServer();
    await api("POST", `/_emulator/servers/${serverId}/host-key-swap`, { on: true });
    const result = await install(facts);
    expect(result.exitCode).toBe(7);
    expect(result.stderr).toMatch(/has the host key SHA256:.*, which was not created for it\. Nothing was sent/);
    expect((await server())?.impostor).toMatchObject({ authentications: 0, commands: 0, bytesReceived: 0 });
    expect(await seen(address)).toBe("refused");
    expect(await windows()).toEqual([]);
  }, 60_000);

  it.each([
    ["SIGINT", "kexec"],
    ["SIGKILL", "kexec"],
    ["SIGTERM", "install"],
    ["SIGKILL", "install"],
  ] as const)(
    "closes the port, and leaves no key lying about, when it is stopped by %s in the step %s",
    async (signal, step) => {
      const { staging } = hostLayoutOf(demo.layout, demo.host);
      const { address, facts } = await createServer();
      const child = install(facts);
      await reached(child, `[${step}]`);
      if (step === "install") {
        const key = join(staging, "var/lib/sops-nix/key.txt");
        await expect.poll(() => existsSync(key), { interval: 1, timeout: 20_000 }).toBe(true);
      }
      expect(await seen(address)).toBe("open");
      child.kill(signal);
      const result = await child;
      expect(result.exitCode).not.toBe(0);
      // After SIGKILL it is the next run that takes it away.
      expect(existsSync(staging)).toBe(signal === "SIGKILL" && step === "install");
      // After SIGKILL it is the guard that closes.
      await expect.poll(() => seen(address), { timeout: 20_000, interval: 200 }).toBe("refused");
      await expect.poll(windows, { timeout: 20_000, interval: 200 }).toEqual([]);

      const next = await install(facts);
      expect(next.exitCode, next.all).toBe(0);
      expect(existsSync(staging)).toBe(false);
      expect(await server()).toMatchObject({ installRuns: 1, os: "nixos" });
      expect(readJournal(hostLayoutOf(demo.layout, demo.host).journal)?.state).toBe("done");
      expect(readFileSync(demo.layout.knownHosts, "utf8")).toContain(address);
    },
    90_000,
  );
});
