import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import ssh2 from "ssh2";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { RECEIVE_SECRETS } from "../../emulator/machine/commands/secrets.ts";
import { type Identity, newIdentity, secretFiles, tarOf } from "../nix/secrets/_sets.ts";
import { stage } from "../order/stage.ts";
import {
  done,
  type KeyPair,
  knock,
  type Lab,
  newKey,
  newServer,
  reportOf,
  ssh,
  startLab,
  until,
  userDataWith,
} from "./_lab.ts";

const STAND_INS = new URL("../../emulator/stand-ins/", import.meta.url).pathname;
const receive = `sudo -n ${RECEIVE_SECRETS}`;
const BINARY = Buffer.from(Array.from({ length: 1024 }, (_, n) => n % 256));

let lab: Lab;
let keys: Record<"client" | "bootstrap" | "final" | "admin" | "stranger", KeyPair>;
/** A server that stays Debian. */
let debian: { id: number; ipv4: string };
/** The server that is installed. */
let server: { id: number; ipv4: string };
let flake: string;
let extraFiles: string;
let identity: Identity;

beforeAll(async () => {
  lab = await startLab();
  const [client, bootstrap, final, admin, stranger] = await Promise.all(
    ["client", "bootstrap", "final", "admin", "stranger"].map((name) => newKey(lab, name)),
  );
  if (!client || !bootstrap || !final || !admin || !stranger) throw new Error("no keys");
  keys = { client, bootstrap, final, admin, stranger };
  debian = await newServer(lab, "web-0", { user_data: userDataWith(bootstrap, client) });
  flake = await newFlake();
  identity = await newIdentity();
  extraFiles = await newExtraFiles();
});
afterAll(async () => lab.stop());

async function newFlake(): Promise<string> {
  const dir = join(lab.dir, "flake");
  await mkdir(join(dir, "stacks"), { recursive: true });
  const stack = { config: { "clawdlets:adminSshKeys": [keys.admin.publicKey] } };
  await writeFile(join(dir, "stacks/Pulumi.web-1.yaml"), stringify(stack, { lineWidth: 0 }));
  const git = (...args: string[]) =>
    execa("git", ["-C", dir, "-c", "user.name=t", "-c", "user.email=t@example.com", ...args]);
  await git("init", "-q");
  await git("add", "-A");
  await git("commit", "-qm", "host");
  const { stdout } = await git("rev-parse", "HEAD");
  return `git+file://${dir}?rev=${stdout}`;
}

async function newExtraFiles(): Promise<string> {
  const dir = join(lab.dir, "extra");
  const put = async (path: string, content: Buffer | string, mode: number) => {
    await mkdir(join(dir, path, ".."), { recursive: true });
    await writeFile(join(dir, path), content);
    await chmod(join(dir, path), mode);
  };
  await put("etc/ssh/ssh_host_ed25519_key", keys.final.privateKey, 0o600);
  // Does not help root, which is refused with any key.
  await put("etc/ssh/authorized_keys.d/root", `${keys.client.publicKey}\n`, 0o444);
  await put("var/lib/sops-nix/key.txt", identity.text, 0o400);
  await put("var/lib/clawdlets/secrets/hosts/web-1/tailscale_auth_key.yaml", BINARY, 0o440);
  await chmod(join(dir, "var/lib/clawdlets/secrets"), 0o750);
  return dir;
}

function root(command: string, input: Buffer | string = "", host = server.ipv4) {
  return ssh(lab, { user: "root", host, key: keys.client, hostKey: keys.bootstrap, input }, command);
}
function admin(command: string, host = server.ipv4) {
  return ssh(lab, { user: "admin", host, key: keys.admin, hostKey: keys.final }, command);
}

/** The connection breaks in the middle of the input, without its end. */
async function sendAndHangUp(input: Buffer): Promise<void> {
  const client = new ssh2.Client();
  await new Promise<void>((resolve, reject) => {
    client.on("error", reject);
    client.on("ready", () =>
      client.exec(receive, (error, channel) => {
        if (error) reject(error);
        else channel.write(input, () => resolve());
      }),
    );
    const at = { host: server.ipv4, port: lab.emulator.sshPort, username: "admin" };
    client.connect({ ...at, privateKey: keys.admin.privateKey });
  });
  client.destroy();
}

function nixosAnywhere(args: string[], env: Record<string, string> = {}) {
  return execa(join(STAND_INS, "nixos-anywhere"), args, {
    reject: false,
    stdin: "ignore",
    env: { HOME: lab.dir, ...env },
  });
}
function install(phases: string, uri = flake) {
  const ports = ["-p", String(lab.emulator.sshPort), "--post-kexec-ssh-port", String(lab.emulator.sshPort)];
  const what = ["--flake", `${uri}#web-1`, "--extra-files", extraFiles, "--phases", phases];
  return nixosAnywhere([...what, ...ports, "-i", keys.client.file, "--target-host", `root@${server.ipv4}`]);
}

describe("Debian", () => {
  const onDebian = (command: string, input: Buffer | string = "") => root(command, input, debian.ipv4);

  test("answers with the host key of its user_data, to the client key of its user_data", async () => {
    const { status, stdout } = await onDebian("id -un; . /etc/os-release; echo $ID; hostname");
    expect([status, stdout.toString()]).toEqual([0, "root\ndebian\nweb-0\n"]);
  });

  test("refuses other keys and other users", async () => {
    const base = { host: debian.ipv4, hostKey: keys.bootstrap };
    for (const [user, key] of [
      ["root", keys.stranger],
      ["admin", keys.client],
    ] as const) {
      const { status, stderr } = await ssh(lab, { ...base, user, key }, "true");
      expect([status, stderr]).toEqual([255, expect.stringContaining("Permission denied (publickey)")]);
    }
  });

  test("refuses a client that has only the public half of a key", async () => {
    const forged = ssh2.utils.parseKey(keys.stranger.privateKey);
    const real = ssh2.utils.parseKey(keys.client.publicKey);
    if (forged instanceof Error || real instanceof Error) throw new Error("unreadable keys");
    const connect = (key: ssh2.ParsedKey) =>
      new Promise<string>((resolve) => {
        const client = new ssh2.Client();
        client.on("ready", () => {
          client.end();
          resolve("let in");
        });
        client.on("error", (error) => resolve(error.message));
        const authHandler = [{ type: "publickey" as const, username: "root", key }];
        client.connect({ host: debian.ipv4, port: lab.emulator.sshPort, username: "root", authHandler });
      });
    const own = ssh2.utils.parseKey(keys.client.privateKey);
    if (own instanceof Error) throw own;
    expect(await connect(own)).toBe("let in");
    forged.getPublicSSH = () => real.getPublicSSH();
    expect(await connect(forged)).toBe("All configured authentication methods failed");
  });

  test("is not trusted under another host key", async () => {
    const to = { user: "root", host: debian.ipv4, key: keys.client, hostKey: keys.stranger };
    expect((await ssh(lab, to, "true")).stderr).toContain("Host key verification failed");
  });

  test("passes on input, output and exit status, byte by byte", async () => {
    const written = await onDebian("cat > /root/blob && cat /root/blob", BINARY);
    expect(written.stdout.equals(BINARY)).toBe(true);
    expect(await onDebian("echo out; echo err >&2; exit 42")).toEqual({
      status: 42,
      stdout: Buffer.from("out\n"),
      stderr: "err\n",
    });
  });

  test("says what it does not emulate", async () => {
    const { status, stderr } = await onDebian("frobnicate --now");
    expect([status, stderr]).toEqual([127, "bash: frobnicate: command not found (not emulated)\n"]);
  });

  test("refuses to format the disk it runs from", async () => {
    expect((await onDebian("disko")).status).toBe(127);
    expect(reportOf(lab, debian.id).diskWipes).toBe(0);
  });
});

describe("the stand-in nixos-anywhere refuses", () => {
  test.each([
    [[], 1, "aborted: ssh-host must be set"],
    [["root@h"], 1, "aborted: --flake or --store-paths must be set"],
    [["--flake", ".", "root@h"], 1, "Please specify the name of the NixOS configuration"],
    [["--phases", "foo", "root@h"], 1, "aborted: Unknown phase: foo"],
    [["--bogus", "--flake", ".#a", "root@h"], 1, "aborted: unknown option --bogus"],
    [["--force-kexec", "--flake", ".#a", "root@h"], 1, "Usage: nixos-anywhere"],
    [["--flake", ".#a", "root@h", "root@i"], 1, "Usage: nixos-anywhere"],
    [["--build-on", "mars", "root@h"], 1, "Unknown mode : mars"],
    [["--flake", "github:o/r#a", "root@h"], 1, "HTTP error 404"],
    [["--help"], 0, "Usage: nixos-anywhere"],
  ])("%j", async (args, status, text) => {
    const run = await nixosAnywhere(args);
    expect(run.stderr).toContain("stand-in nixos-anywhere (emulator): not the real thing");
    expect([run.exitCode, `${run.stdout}\n${run.stderr}`]).toEqual([status, expect.stringContaining(text)]);
  });

  test("a host that the flake does not have, and a revision that is not there", async () => {
    const missing = await nixosAnywhere(["--flake", `${flake}#other`, "root@h"]);
    expect([missing.exitCode, missing.stderr]).toEqual([1, expect.stringContaining("does not provide attribute")]);
    const rev = await nixosAnywhere(["--flake", `${flake.replace(/rev=.*/, `rev=${"0".repeat(40)}`)}#web-1`, "root@h"]);
    expect([rev.exitCode, rev.stderr]).toEqual([1, expect.stringContaining("cannot find Git revision")]);
  });
});

/** The phases of one installation, each run when a test first needs it. */
function newStory() {
  const created = stage(async () => {
    server = await newServer(lab, "web-1", { user_data: userDataWith(keys.bootstrap, keys.client) });
  });
  const kexec = stage(async () => {
    await created();
    const before = reportOf(lab, server.id);
    const run = await install("kexec");
    const { stdout } = await root("grep VARIANT_ID /etc/os-release; cat /proc/sys/kernel/random/boot_id; ls /mnt");
    return { before, run, stdout: stdout.toString(), after: reportOf(lab, server.id) };
  });
  const installed = stage(async () => {
    await kexec();
    const run = await install("disko,install");
    const paths = ["", "/etc/ssh/ssh_host_ed25519_key", "/var/lib/sops-nix/key.txt", "/var/lib/clawdlets/secrets"];
    const modes = await root(`stat -c '%a %u:%g' ${paths.map((path) => `/mnt${path}`).join(" ")}`);
    const secret = await root("cat /mnt/var/lib/clawdlets/secrets/hosts/web-1/tailscale_auth_key.yaml");
    return { run, modes: modes.stdout.toString(), secret: secret.stdout, after: reportOf(lab, server.id) };
  });
  const rebooted = stage(async () => {
    await installed();
    const run = await install("reboot");
    await until("NixOS is up", () => reportOf(lab, server.id).isAnswering && reportOf(lab, server.id).os === "nixos");
    return run;
  });
  const publicSsh = stage(async () => {
    await rebooted();
    const before = await knock(server.ipv4, lab.emulator.sshPort);
    await done(lab, "POST", `/_emulator/servers/${server.id}/public-ssh`, { on: true });
    return { before, after: await knock(server.ipv4, lab.emulator.sshPort) };
  });
  return { kexec, installed, rebooted, publicSsh };
}

describe("an installation, phase by phase", { timeout: 120_000 }, () => {
  let story = newStory();

  test("kexec brings up the installer in memory, with the same host key and the same root", async () => {
    const { before, run, stdout, after } = await story.kexec();
    expect([run.exitCode, run.stdout]).toEqual([0, expect.stringContaining("### Switching system into kexec ###")]);
    expect(stdout).toBe(`VARIANT_ID=installer\n${after.bootId}\n`);
    expect([after.bootId === before.bootId, after.os, after.diskWipes, after.installRuns]).toEqual([
      false,
      "installer",
      0,
      0,
    ]);
  });

  test("disko and install wipe once and install once, and hand over modes, owners and bytes", async () => {
    const { run, modes, secret, after } = await story.installed();
    expect(run.exitCode).toBe(0);
    expect(run.stdout.split("\n").filter((line) => line.startsWith("###"))).toEqual([
      "### Uploading install SSH keys ###",
      "### Gathering machine facts ###",
      "### Formatting hard drive with disko ###",
      "### Uploading the system closure ###",
      "### Copying extra files ###",
      "### Installing NixOS ###",
      "### Done! ###",
    ]);
    expect(modes).toBe("755 0:0\n600 0:0\n400 0:0\n750 0:0\n");
    expect(secret.equals(BINARY)).toBe(true);
    expect(after).toMatchObject({ diskWipes: 1, installRuns: 1, os: "installer" });
  });

  test("the reboot phase ends as soon as ssh no longer answers", async () => {
    const run = await story.rebooted();
    expect([run.exitCode, run.stdout.trim().split("\n").at(-1)]).toEqual([0, "### Done! ###"]);
  });

  test("its own firewall lets ssh in over its tailnet alone, until it is switched to another system", async () => {
    expect(await story.publicSsh()).toEqual({ before: "refused", after: "open" });
  });

  test("NixOS answers with the final host key, to admin and not to root", async () => {
    await story.publicSsh();
    const { status, stdout } = await admin(
      "id -un; hostname; readlink -f /run/current-system; systemctl is-system-running",
    );
    expect([status, stdout.toString()]).toEqual([
      0,
      expect.stringMatching(/^admin\nweb-1\n\/nix\/store\/[0-9a-z]{32}-nixos-system-web-1-26\.05\nrunning\n$/),
    ]);
    const asRoot = { user: "root", host: server.ipv4, hostKey: keys.final };
    for (const key of [keys.client, keys.admin]) {
      expect((await ssh(lab, { ...asRoot, key }, "true")).stderr).toContain("Permission denied");
    }
  });

  test("admin can stat a file of root, but not read it", async () => {
    await story.publicSsh();
    const { status, stdout, stderr } = await admin(
      "stat -c '%a %U %s' /var/lib/sops-nix/key.txt; cat /var/lib/sops-nix/key.txt",
    );
    expect([status, stdout.toString(), stderr]).toEqual([
      1,
      `400 root ${identity.text.length}\n`,
      "cat: /var/lib/sops-nix/key.txt: Permission denied\n",
    ]);
    expect((await admin("stat -c %a /var/lib/clawdlets/secrets/hosts")).stderr).toContain("Permission denied");
    expect((await admin("sudo cat /var/lib/sops-nix/key.txt")).status).toBe(1);
  });

  test("admin hands over secrets by the one command that sudo lets through, whole or not at all", async () => {
    await story.publicSsh();
    const send = (input: Buffer) =>
      ssh(lab, { user: "admin", host: server.ipv4, key: keys.admin, hostKey: keys.final, input }, receive);
    const files = await secretFiles(["tailscale_auth_key", "discord_token"], identity);
    const tar = await tarOf(files);
    const first = await send(tar);
    expect([first.status, first.stderr]).toEqual([0, ""]);
    const held = JSON.parse(first.stdout.toString());
    expect(held).toMatchObject({ ok: true, changed: true, recipient: identity.recipient });
    expect(Object.keys(held.files)).toEqual(["discord_token", "tailscale_auth_key"]);
    const units = "restart sops-install-secrets.service\ntry-restart clawdlets-secrets.target\n";
    const { stdout } = await admin("cat /run/clawdlets-emulated-units.log; stat -c %a /run/secrets/discord_token");
    expect(stdout.toString()).toBe(`${units}400\n`);

    const other = await tarOf(await secretFiles(["tailscale_auth_key"], identity));
    expect(await send(other.subarray(0, 700))).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("refused, nothing changed: the tar is truncated"),
    });
    await sendAndHangUp(other.subarray(0, 700));
    expect(JSON.parse((await send(tar)).stdout.toString())).toEqual({ ...held, changed: false });
  });

  test("the tailnet reaches it past the firewall, and the stand-in tailscale knows where", async () => {
    await story.publicSsh();
    const closed = (await done(lab, "POST", "/firewalls", { name: "closed" })).body.firewall;
    const apply_to = [{ type: "server", server: { id: server.id } }];
    await done(lab, "POST", `/firewalls/${closed.id}/actions/apply_to_resources`, { apply_to });
    const env = { HCLOUD_ENDPOINT: lab.emulator.endpoint, HCLOUD_TOKEN: lab.emulator.token };
    const tailscale = (...args: string[]) => execa(join(STAND_INS, "tailscale"), args, { reject: false, env });
    const { stdout: address } = await tailscale("ip", "-4", "web-1");
    expect((await admin("hostname", address)).stdout.toString()).toBe("web-1\n");
    expect((await admin("hostname")).stderr).toContain("Connection refused");
    const peers = Object.values(JSON.parse((await tailscale("status", "--json")).stdout).Peer);
    expect(peers).toEqual([expect.objectContaining({ HostName: "web-1", TailscaleIPs: [address], Online: true })]);
    expect((await tailscale("up")).exitCode).toBe(1);
    await done(lab, "POST", `/_emulator/servers/${server.id}/tailnet`, { on: false });
    expect((await admin("hostname", address)).stderr).toContain("Connection refused");
    await done(lab, "POST", `/firewalls/${closed.id}/actions/remove_from_resources`, { remove_from: apply_to });
  });

  test("a rebuild by the API brings Debian back, with new user_data and nothing of the old disk", async () => {
    await story.rebooted();
    const [bootstrap, client] = await Promise.all([newKey(lab, "bootstrap-2"), newKey(lab, "client-2")]);
    const body = { image: "debian-12", user_data: userDataWith(bootstrap, client) };
    await done(lab, "POST", `/servers/${server.id}/actions/rebuild`, body);
    await until("Debian is up", () => reportOf(lab, server.id).isAnswering);
    const to = { user: "root", host: server.ipv4, key: client, hostKey: bootstrap };
    const { stdout } = await ssh(lab, to, "ls /nix /var/lib/sops-nix 2>/dev/null; echo $?");
    expect(stdout.toString()).toBe("2\n");
    expect(reportOf(lab, server.id)).toMatchObject({ os: "debian", installRuns: 1, diskWipes: 1 });
    await done(lab, "DELETE", `/servers/${server.id}`);
    story = newStory();
  });
});

describe("what can go wrong", () => {
  test("a wiped disk that was not installed boots into nothing", async () => {
    const [bootstrap, client] = [keys.bootstrap, keys.client];
    const victim = await newServer(lab, "wiped", { user_data: userDataWith(bootstrap, client) });
    const to = { user: "root", host: victim.ipv4, key: client, hostKey: bootstrap };
    const boot = reportOf(lab, victim.id).bootId;
    await ssh(lab, to, "kexec");
    await until(
      "the installer is up",
      () => reportOf(lab, victim.id).isAnswering && reportOf(lab, victim.id).bootId !== boot,
    );
    await ssh(lab, to, "disko && reboot");
    await until("it is down", () => !reportOf(lab, victim.id).isAnswering);
    await done(lab, "POST", `/servers/${victim.id}/actions/reset`);
    expect(reportOf(lab, victim.id).isAnswering).toBe(false);
  });

  test("a client that pinned the key detects a man in the middle, and sends it nothing", async () => {
    const victim = await newServer(lab, "swapped", { user_data: userDataWith(keys.bootstrap, keys.client) });
    await done(lab, "POST", `/_emulator/servers/${victim.id}/host-key-swap`, { on: true });
    const to = { user: "root", host: victim.ipv4, key: keys.client, hostKey: keys.bootstrap, input: "secret" };
    expect((await ssh(lab, to, "cat")).stderr).toContain("Host key verification failed");
    const log = reportOf(lab, victim.id).impostor;
    expect(log).toEqual({ connections: 1, authentications: 0, commands: 0, bytesReceived: 0 });
  });

  test("a power cut breaks what is running, and the disk is still there afterwards", async () => {
    const victim = await newServer(lab, "cut", { user_data: userDataWith(keys.bootstrap, keys.client) });
    const to = { user: "root", host: victim.ipv4, key: keys.client, hostKey: keys.bootstrap };
    await ssh(lab, to, "echo kept > /root/file");
    await done(lab, "POST", `/_emulator/servers/${victim.id}/command-faults`, [{ command: "sync", hangs: true }]);
    const hanging = ssh(lab, to, "sync");
    await until("it is connected", () => reportOf(lab, victim.id).connectionsAccepted === 2);
    await done(lab, "POST", `/_emulator/servers/${victim.id}/power-cut`);
    expect((await hanging).status).toBe(255);
    await done(lab, "POST", `/_emulator/servers/${victim.id}/power-on`);
    await until("it is up again", () => reportOf(lab, victim.id).isAnswering);
    expect((await ssh(lab, to, "cat /root/file")).stdout.toString()).toBe("kept\n");
  });

  test("a command can be made to fail so many times", async () => {
    const victim = await newServer(lab, "faulty", { user_data: userDataWith(keys.bootstrap, keys.client) });
    const to = { user: "root", host: victim.ipv4, key: keys.client, hostKey: keys.bootstrap };
    const faults = [{ command: "uname", exitCode: 137, stderr: "Killed" }];
    await done(lab, "POST", `/_emulator/servers/${victim.id}/command-faults`, faults);
    expect(await ssh(lab, to, "uname")).toMatchObject({ status: 137, stderr: "Killed\n" });
    expect((await ssh(lab, to, "uname")).status).toBe(0);
  });
});
