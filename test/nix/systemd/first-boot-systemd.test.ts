import { randomUUID } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { extraFilesOf } from "../../../core/host/delivery/extra-files.ts";
import { deliverToSnapshot } from "../../../core/host/delivery/to-snapshot.ts";
import { bootstrapUserData } from "../../../core/host/install/user-data.ts";
import { ssh } from "../../../core/host/reach/ssh.ts";
import type { Installation } from "../../../core/host/request.ts";
import { describeWith } from "../../_needs.ts";
import { BakedHost, keyPair, systemPath } from "./_baked-host.ts";

const programs = "unshare nsenter setpriv systemctl sshd ssh nft ip python3 curl nix-instantiate".split(" ");
const waitFor = { timeout: 60_000, interval: 200 };
const secretsDir = "/var/lib/clawdlets/secrets/hosts/web-1";
const installId = "0123456789abcdef";

type OnFinished = (work: () => Promise<void>) => void;

/** A server from a snapshot before its first boot, and the one-time keys that its user_data will have. */
async function fromSnapshot(onTestFinished: OnFinished) {
  const host = new BakedHost();
  onTestFinished(async () => {
    await host.network.close();
    await host.machine.losePower();
  });
  await host.lay();
  await host.network.listen();
  const hostKey = await keyPair(host.folder, "host");
  const client = await keyPair(host.folder, "client");
  const keys = { hostPrivateKey: hostKey.private, hostPublicKey: hostKey.public, clientPublicKey: client.public };
  const logIn = (identity = client.file, key = hostKey.public) =>
    ssh(host.route(identity, key), "echo in", { timeoutSeconds: 4 });
  return { host, machine: host.machine, hostKey, client, userData: bootstrapUserData(keys), logIn };
}

const isIn = (logIn: () => Promise<{ exitCode: number; stderr: string }>) =>
  vi.waitFor(async () => {
    const { exitCode, stderr } = await logIn();
    expect(exitCode, stderr).toBe(0);
  }, waitFor);

/** The parts of an installation that a delivery needs; its journal is left out. */
const installationOn = (folder: string) =>
  ({
    settings: { host: "web-1", image: "1", install: { deadlines: { reboot: 1 } } },
    facts: { installId },
    host: { staging: join(folder, "staging") },
    journal: { installs: () => Promise.resolve(), diskIs: () => Promise.resolve() },
    step: () => Promise.resolve(),
    signal: AbortSignal.timeout(120_000),
    hetzner: { GET: () => Promise.resolve({ data: { image: { labels: {} } }, response: new Response() }) },
  }) as unknown as Installation;

describeWith({ programs, root: true, cgroup: true }, "the first boot of a baked snapshot, by a real systemd", () => {
  it("opens SSH once user_data has the one-time key, takes the identity, and boots as any host afterwards", async ({
    onTestFinished,
  }) => {
    const { host, machine, hostKey, client, userData, logIn } = await fromSnapshot(onTestFinished);
    await machine.boot(randomUUID(), "clawdlets-first-boot.target");
    // Without user_data, the firewall stays shut.
    expect((await logIn()).exitCode).toBe(255);
    expect((await machine.run("nft", "list", "ruleset")).stdout).not.toContain("22");
    host.serveUserData(userData);
    await isIn(logIn);
    const other = await keyPair(host.folder, "other");
    expect((await logIn(other.file)).stderr).toContain("Permission denied");
    expect((await logIn(client.file, other.public)).stderr).toContain("verification failed");
    const when = async (unit: string) =>
      Number((await machine.run("systemctl", "show", "--value", "-p", "ActiveEnterTimestampMonotonic", unit)).stdout);
    expect(await when("nftables.service")).toBeLessThan(await when("clawdlets-first-boot.service"));
    const active = await machine.run("systemctl", "is-active", "multi-user.target", "timers.target", "sshd.service");
    expect(active.stdout.split("\n")).toEqual(["inactive", "inactive", "inactive"]);
    // The timers here fire after a second.
    expect(host.started).toEqual(["nftables"]);

    // The real delivery, which ends with a reboot.
    const files = extraFilesOf({
      host: "web-1",
      installId,
      identityFileText: "identity canary\n",
      hostPrivateKey: "final canary\n",
      hostPublicKey: "final",
      remoteSecretsDir: secretsDir,
      secrets: { a: "a canary\n" },
    });
    const route = host.route(client.file, hostKey.public);
    const delivered = await deliverToSnapshot(installationOn(host.folder), {
      route,
      files,
      secretsDir,
      flake: "path:/flake",
      digest: "d",
    });
    expect(delivered).toMatchObject({ systemPath });
    await vi.waitUntil(() => !machine.isRunning, waitFor);
    expect(existsSync(join(host.folder, "var/lib/clawdlets/image"))).toBe(false);
    const secret = join(host.folder, secretsDir, "a.yaml");
    expect([readFileSync(secret, "utf8"), statSync(secret).mode & 0o777]).toEqual(["a canary\n", 0o400]);
    const finalKey = join(host.folder, "ssh/ssh_host_ed25519_key");
    expect([readFileSync(finalKey, "utf8"), statSync(finalKey).mode & 0o777]).toEqual(["final canary\n", 0o600]);

    await machine.losePower();
    host.forget();
    await machine.boot(randomUUID(), "multi-user.target");
    await vi.waitFor(() => {
      expect(host.started).toEqual(expect.arrayContaining(["bot", "sshd", "tailscaled", "clawdlets-tailnet"]));
    }, waitFor);
    const units = ["clawdlets-first-boot.target", "clawdlets-first-boot.service"];
    expect((await machine.run("systemctl", "is-active", ...units)).stdout.split("\n")).toEqual([
      "inactive",
      "inactive",
    ]);
    expect((await machine.run("ls", "/run/clawdlets-first-boot")).exitCode).not.toBe(0);
    expect((await logIn()).exitCode).toBe(255);
  }, 180_000);

  it("starts no sshd where the firewall did not start", async ({ onTestFinished }) => {
    const { host, machine, userData, logIn } = await fromSnapshot(onTestFinished);
    host.breakFirewall();
    host.serveUserData(userData);
    await machine.boot(randomUUID(), "clawdlets-first-boot.target");
    const restarts = async () =>
      Number((await machine.run("systemctl", "show", "--value", "-p", "NRestarts", "clawdlets-first-boot")).stdout);
    await vi.waitFor(async () => expect(await restarts()).toBeGreaterThan(0), waitFor);
    expect((await machine.run("systemctl", "is-failed", "nftables.service")).stdout).toBe("failed");
    expect((await logIn()).exitCode).toBe(255);
    expect((await machine.run("pgrep", "-x", "sshd")).stdout).toBe("");
  }, 120_000);

  it("starts the one-time sshd again after it was killed, and after a loss of power", async ({ onTestFinished }) => {
    const { host, machine, userData, logIn } = await fromSnapshot(onTestFinished);
    host.serveUserData(userData);
    await machine.boot(randomUUID(), "clawdlets-first-boot.target");
    await isIn(logIn);
    await machine.run("systemctl", "kill", "--signal=KILL", "clawdlets-first-boot.service");
    await isIn(logIn);
    await machine.losePower();
    await machine.boot(randomUUID(), "clawdlets-first-boot.target");
    await isIn(logIn);
    expect(host.started.filter((name) => name !== "nftables")).toEqual([]);
  }, 120_000);
});
