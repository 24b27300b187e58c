import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, it, vi } from "vitest";
import { readRefusal } from "../../../core/host/reach/refusal.ts";
import { checkTool } from "../../_check-tools.ts";
import { whereIs } from "../../_debian.ts";
import { describeWith, leaveOut } from "../../_needs.ts";
import { temporaryFolder } from "../../_project.ts";
import { startBucket } from "../../examples/_bucket.ts";
import { exchangeShim } from "../secrets/_script-host.ts";
import { BackupHost, password, type TestRepository, uid } from "./_backup-host.ts";

const id = "0123456789abcdef";
const restore = (snapshot: string, to: string, bot = "maren") => `restore ${id} ${bot} ${snapshot} ${to}`;
const long = { timeout: 180_000 };

describeWith({ programs: ["restic", "bash", "unshare"], root: true }, "backups by the real restic", () => {
  let shim: string | null;
  beforeAll(async () => {
    shim = await exchangeShim();
  });
  const local = (): TestRepository => ({
    kind: "local",
    url: join(temporaryFolder(), "repository"),
    credentials: {},
  });
  async function backedUp(repository = local(), more: Record<string, string> = {}) {
    const host = new BackupHost(repository, shim);
    host.more = more;
    host.setUnit("maren", "active");
    await host.fill();
    const before = await host.contentOf();
    const { exitCode, stderr } = await host.order("now");
    expect(exitCode, stderr + host.journal()).toBe(0);
    expect(host.state().bots["maren"], host.journal()).toMatchObject({ problem: "", why: "" });
    return { host, before, repository };
  }
  const wipe = (host: BackupHost, text = "other") => {
    rmSync(join(host.folders, "maren"), { recursive: true });
    mkdirSync(join(host.folders, "maren"));
    writeFileSync(join(host.folders, "maren", "state.json"), text);
  };

  it(
    "restore a bot in place from a bucket, byte for byte, with owners, modes, times and links",
    long,
    async (context) => {
      const versitygw = await checkTool("versitygw");
      if (versitygw === undefined) return leaveOut(context, "backups to a bucket", "versitygw is not built");
      const bucket = await startBucket(versitygw, temporaryFolder(), "backups");
      context.onTestFinished(() => bucket.close());
      const { AWS_ACCESS_KEY_ID: key, AWS_SECRET_ACCESS_KEY: secret } = bucket.env;
      const login = `[default]\naws_access_key_id=${key}\naws_secret_access_key=${secret}\n`;
      const url = `s3:${bucket.endpoint}/backups/web-1`;
      const { host, before } = await backedUp({ kind: "s3", url, credentials: { restic_s3: login } });
      wipe(host);
      const { exitCode, stderr } = await host.order(restore("latest", "in-place"));
      expect(exitCode, stderr).toBe(0);
      expect(host.state().restore, host.journal()).toMatchObject({ phase: "done", result: "restored", why: "" });
      expect(await host.contentOf()).toBe(before);
      expect(host.unit("maren")).toBe("active");
      expect(readFileSync(join(host.state().restore.folder, "state.json"), "utf8")).toBe("other");
      expect((await host.order("check")).exitCode).toBe(0);
      expect(host.state().check).toMatchObject({ problem: "" });

      // Neither the password nor the login is anywhere but in the unit's credentials.
      const seen = [
        host.journal(),
        readFileSync(join(host.folder, "command-lines"), "utf8"),
        JSON.stringify(host.state()),
      ];
      const stored = readdirSync(bucket.folder, { recursive: true, encoding: "utf8" })
        .map((name) => join(bucket.folder, name))
        .filter((file) => statSync(file).isFile())
        .map((file) => readFileSync(file, "latin1"));
      expect(stored.length).toBeGreaterThan(4);
      for (const text of [...seen, ...stored]) {
        expect(text).not.toContain(password);
        expect(text).not.toContain(secret);
      }

      // Wrong keys, and nobody at home.
      writeFileSync(join(host.folder, "credentials/restic_s3"), login.replace(secret ?? "", "canary-wrong-0123456789"));
      await host.order("now");
      expect(host.state().bots["maren"]).toMatchObject({ problem: "denied", good: expect.stringMatching(/Z$/) });
      await bucket.close();
      host.more = { LIMIT_SECONDS: "5" };
      await host.order("now");
      expect(host.state().bots["maren"]).toMatchObject({ problem: "unreachable", good: expect.stringMatching(/Z$/) });
    },
  );

  it("restore to a folder for root, and leave the bot alone", long, async () => {
    const { host, before } = await backedUp();
    wipe(host);
    const there = await host.contentOf();
    await host.order(restore("latest", "folder"));
    const { folder, result } = host.state().restore;
    expect({ result, why: host.state().restore.why }, host.journal()).toEqual({ result: "restored", why: "" });
    expect(await host.contentOf("maren", folder)).toBe(before);
    expect(await host.contentOf()).toBe(there);
    expect(host.unit("maren")).toBe("active");
    expect(statSync(join(folder, "..")).mode & 0o777).toBe(0o700);
    expect(host.journal()).not.toMatch(/systemctl (stop|start) clawdbot/);
  });

  it("give the files to the number that the bot has now, as after a reinstallation", long, async () => {
    const { host, before } = await backedUp();
    host.userIs(1234);
    await host.order(restore(host.state().bots["maren"]?.snapshot ?? "", "in-place"));
    expect(await host.contentOf(), host.journal()).toBe(before.replaceAll(` ${uid} ${uid} `, " 1234 1234 "));
  });

  it("take the former files back if the bot does not run with the restored ones", long, async () => {
    const host = new BackupHost(local(), shim);
    host.setUnit("maren", "active");
    await host.fill();
    writeFileSync(join(host.folders, "maren/state.json"), "broken");
    await host.order("now");
    wipe(host, "whole");
    const there = await host.contentOf();
    await host.order(restore("latest", "in-place"));
    const why = "the bot does not run with the restored files";
    expect(host.state().restore).toMatchObject({ phase: "done", result: "returned", why, folder: "" });
    expect(await host.contentOf()).toBe(there);
    expect(host.unit("maren")).toBe("active");
  });

  it("leave a bot alone that does not stop", long, async () => {
    const { host } = await backedUp();
    wipe(host);
    const there = await host.contentOf();
    host.setUnit("maren", "stuck");
    await host.order(restore("latest", "in-place"));
    expect(host.unit("maren")).toBe("stuck");
    expect(host.state().restore).toMatchObject({ result: "returned", why: "the bot did not stop" });
    expect(await host.contentOf()).toBe(there);
  });

  it.each([
    ["while restic fetches", "start clawdlets-restore@maren.service", "restored", true],
    ["before the bot stops", "stop clawdbot-maren.service", "returned", false],
    ["after the exchange", "start clawdbot-maren.service", "restored", true],
    ["while the bot is watched", "is-active --quiet clawdbot-maren.service", "restored", true],
  ])("finish a restore that was killed %s", long, async (_, call, result, isNew) => {
    const { host, before } = await backedUp();
    wipe(host);
    const there = await host.contentOf();
    host.killAt(call);
    await host.order(restore("latest", "in-place"));
    // As systemd does, or the next boot.
    const { exitCode, stderr } = await host.script(["run-restore"]);
    expect(exitCode, stderr).toBe(0);
    const state = host.state().restore;
    expect(state.phase, host.journal()).toBe("done");
    expect(state.result).toBe(result);
    expect(await host.contentOf()).toBe(isNew ? before : there);
    expect(host.unit("maren")).toBe("active");
    expect(readdirSync(join(host.folders, ".restore"))).toEqual([]);
  });

  it("go on after a run that was killed in the middle, whose lock is removed", long, async () => {
    const { host, repository } = await backedUp();
    const { good, snapshot } = host.state().bots["maren"] ?? {};
    const locks = join(repository.url, "locks");
    host.killBackup(locks);
    await host.order("now");
    expect(host.state().bots["maren"], host.journal()).toMatchObject({ good, snapshot, problem: "interrupted" });
    expect(readdirSync(locks)).toHaveLength(1);
    await host.order("now");
    await host.order("check");
    expect(host.state(), host.journal()).toMatchObject({ bots: { maren: { problem: "" } }, check: { problem: "" } });
    expect(readdirSync(locks)).toEqual([]);
  });

  it("name a wrong password, and keep the last good backup's age", long, async () => {
    const { host } = await backedUp();
    const { good, snapshot } = host.state().bots["maren"] ?? {};
    host.setPassword("canary-another-0123456789");
    await host.order("now");
    expect(host.state().bots["maren"]).toMatchObject({ good, snapshot, problem: "password" });
    const { exitCode, stderr } = await host.order("list");
    expect(exitCode).toBe(1);
    expect(stderr).toContain("password");
    expect(host.journal() + stderr + JSON.stringify(host.state())).not.toContain("canary");
  });

  it("never make a repository in the place of one that is gone", long, async () => {
    const { host, repository } = await backedUp();
    rmSync(repository.url, { recursive: true });
    await host.order("now");
    expect(host.state().bots["maren"]?.problem).toBe("missing");
    expect(() => statSync(repository.url)).toThrow();
  });

  it("find data that was changed, and say so", long, async () => {
    const { host, repository } = await backedUp();
    const data = join(repository.url, "data");
    const [pack = ""] = readdirSync(data, { recursive: true, encoding: "utf8" }).filter((name) =>
      /\/[0-9a-f]{64}$/.test(name),
    );
    const bytes = readFileSync(join(data, pack));
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    rmSync(join(data, pack));
    writeFileSync(join(data, pack), bytes);
    await host.order("check");
    expect(host.state().check, host.journal()).toMatchObject({ problem: "corrupt", good: "" });
  });

  it("tell a full repository from all else", long, async () => {
    const repository = local();
    const host = new BackupHost(repository, shim);
    await host.fill();
    mkdirSync(repository.url);
    const full = [
      "unshare",
      "--mount",
      "sh",
      "-c",
      `mount -t tmpfs -o size=150k tmpfs '${repository.url}' && exec "$@"`,
      "sh",
    ];
    await host.script([], "now\n", full);
    expect(host.state().bots["maren"], host.journal()).toMatchObject({ problem: "full", good: "" });
  });

  it("wait for another run's lock, and remove it only once its process is gone", long, async () => {
    const { host, repository } = await backedUp();
    const env = {
      RESTIC_REPOSITORY: repository.url,
      RESTIC_PASSWORD: password,
      HOME: host.folder,
      PATH: process.env["PATH"],
    };
    const other = spawn(whereIs("restic") ?? "", ["backup", "--stdin", "--no-cache"], {
      env,
      stdio: ["pipe", "ignore", "ignore"],
    });
    const ended = once(other, "exit");
    try {
      await vi.waitUntil(() => readdirSync(join(repository.url, "locks")).length > 0, { timeout: 60_000 });
      await host.order("check");
      expect(host.state().check).toMatchObject({ problem: "locked" });
      expect(readdirSync(join(repository.url, "locks")).length).toBe(1);
    } finally {
      other.kill("SIGKILL");
      await ended;
    }
    // A lock of a dead process is all that is left.
    expect(readdirSync(join(repository.url, "locks")).length).toBe(1);
    await host.order("check");
    expect(host.state().check, host.journal()).toMatchObject({ problem: "" });
  });

  it.each([
    ["", "no order on standard input"],
    ["now please", "now takes nothing else"],
    ["run", "unknown order"],
    ["restore", "expected: restore <id>"],
    [`restore x maren latest folder`, "the id is not 16 hex digits"],
    [restore("latest", "folder", "rex"), "no bot of that name is backed up here; allowed: maren"],
    [restore("latest", "folder", "../maren"), "unknown order"],
    [restore("latest;id", "folder"), "unknown order"],
    [restore("--verify", "folder"), "the snapshot is neither"],
    [restore("abc", "folder"), "the snapshot is neither"],
    [restore("latest", "elsewhere"), "allowed: folder or in-place"],
    [`${restore("latest", "folder")} more`, "expected: restore <id>"],
  ])("refuse the order %j", async (order, why) => {
    const host = new BackupHost(local(), shim);
    const { exitCode, stderr } = await host.script([], order === "" ? "" : `${order}\n`);
    expect(stderr).toContain(`clawdlets-backup: refused, nothing changed: ${why}`);
    expect(readRefusal(stderr, exitCode).code).toBe(why.startsWith("no bot") ? "unknown-bot" : "unknown-order");
    expect(exitCode).toBe(1);
    expect(host.journal()).toBe("");
  });

  it("refuse arguments, and a snapshot that is another bot's", long, async () => {
    const { host } = await backedUp();
    expect((await host.script(["restore", "maren"])).stderr).toContain("it takes no arguments");
    host.bots = "maren rex";
    await host.order(restore(host.state().bots["maren"]?.snapshot ?? "", "folder", "rex"));
    expect(host.state().restore).toMatchObject({
      result: "returned",
      why: expect.stringContaining("there is no such snapshot"),
    });
  });

  it.each<[string, string, (host: BackupHost) => void, RegExp]>([
    [
      "the disk is full",
      restore("latest", "folder"),
      (host) => symlinkSync("/dev/full", join(host.folder, "state/.new")),
      /write error: No space left on device \(it failed with exit status 1\)$/,
    ],
    [
      "a file is where its folder belongs",
      "now",
      (host) => writeFileSync(join(host.folder, "state/bots"), ""),
      /cannot create directory .*state\/bots.*: (File exists|Not a directory) \(it failed with exit status 1\)$/,
    ],
  ])("break an order off with a code and its reason: %s", async (_what, order, disturb, reason) => {
    const host = new BackupHost(local(), shim);
    disturb(host);
    const { exitCode, stderr } = await host.order(order);
    expect(exitCode).toBe(1);
    const refusal = readRefusal(stderr, exitCode);
    expect(refusal).toMatchObject({ code: "failed", hasRefused: false, isMissing: false });
    expect(refusal.said).toMatch(reason);
  });
});
