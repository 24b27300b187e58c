import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { checkTool } from "../../_check-tools.ts";
import { whereIs } from "../../_debian.ts";
import { describeWith, leaveOut } from "../../_needs.ts";
import { exchangeShim } from "../secrets/_script-host.ts";
import { BackupHost, password } from "./_backup-host.ts";
import { type RepositoryServer, startRestServer, startSftpServer } from "./_repositories.ts";

const restoreInPlace = "restore 0123456789abcdef maren latest in-place";
const long = { timeout: 180_000 };
const programs = ["restic", "bash", "unshare", "sshd", "ssh", "ssh-keygen", "openssl"];

describeWith({ programs, root: true }, "backups to a server", () => {
  let shim: string | null;
  let program: string | undefined;
  beforeAll(async () => {
    shim = await exchangeShim();
    program = await checkTool("rest-server"); // Built once, in seconds.
  }, 600_000);
  const starts = {
    rest: (limits?: Parameters<typeof startSftpServer>[0]) => startRestServer(program ?? "", limits),
    sftp: startSftpServer,
  } as const;

  /** A host with a bot, before its first backup. */
  async function hostOf<S extends RepositoryServer>(server: S) {
    onTestFinished(() => server.close());
    const host = new BackupHost(server.repository, shim);
    host.more = { ...server.more };
    host.setUnit("maren", "active");
    await host.fill();
    return { host, server, before: await host.contentOf() };
  }
  async function backedUp<S extends RepositoryServer>(server: S) {
    const all = await hostOf(server);
    await all.host.order("now");
    expect(botOf(all.host), all.host.journal()).toMatchObject({ problem: "", why: "" });
    return all;
  }

  describe.each(["rest", "sftp"] as const)("%s", (kind) => {
    beforeEach((context) => {
      if (kind === "rest" && program === undefined) leaveOut(context, "backups to a rest-server", "it was not built");
    });

    it("restores a bot in place, byte for byte, and tells its login to nobody", long, async () => {
      const { host, server, before } = await hostOf(await starts[kind]());
      const leaks = watchProcesses([password, server.secret]);
      onTestFinished(() => void leaks());
      await host.order("now");
      expect(botOf(host), host.journal()).toMatchObject({ problem: "", why: "" });
      wipe(host);
      const { exitCode, stderr } = await host.order(restoreInPlace);
      expect(exitCode, stderr).toBe(0);
      expect(host.state().restore, host.journal()).toMatchObject({ phase: "done", result: "restored", why: "" });
      expect(await host.contentOf()).toBe(before);
      expect(host.unit("maren")).toBe("active");
      await host.order("check");
      expect(host.state().check, host.journal()).toMatchObject({ problem: "" });
      const files = storedIn(server.files);
      expect(files.length).toBeGreaterThan(4);

      if ("pin" in server) {
        server.pin("user"); // Another host key than the pinned one.
        await host.order("now");
        expect(botOf(host), host.journal()).toMatchObject({ problem: "denied" });
        server.pin("host");
      }
      server.changeLogin();
      await vi.waitFor(
        async () => {
          await host.order("now");
          expect(botOf(host), host.journal()).toMatchObject({
            problem: "denied",
            good: expect.stringMatching(/Z$/),
          });
        },
        { timeout: 60_000, interval: 500 },
      );
      await server.close();
      host.more["LIMIT_SECONDS"] = "5";
      await host.order("now");
      expect(botOf(host), host.journal()).toMatchObject({ problem: "unreachable", good: expect.stringMatching(/Z$/) });

      expect(leaks()).toEqual([]);
      const said = [
        host.journal(),
        readFileSync(host.commandLines, "utf8"),
        JSON.stringify(host.state()),
        server.log(),
      ];
      for (const text of [...said, ...files]) {
        expect(text).not.toContain(password);
        expect(text).not.toContain(server.secret);
      }
    });

    it(
      "keeps the last good backup through a kill, another run's lock, a wrong password and a lost folder",
      long,
      async () => {
        const { host, server } = await backedUp(await starts[kind]());
        const { good, snapshot } = botOf(host) ?? {};
        host.killBackup(join(server.files, "locks"));
        await host.order("now");
        expect(botOf(host), host.journal()).toMatchObject({ good, snapshot, problem: "interrupted" });
        expect(locksOf(server)).toHaveLength(1);
        // The lock of a process that is gone is removed.
        await host.order("now");
        expect(botOf(host), host.journal()).toMatchObject({ problem: "" });
        expect(locksOf(server)).toEqual([]);

        const other = spawn(whereIs("restic") ?? "", [...clientOf(host, server), "backup", "--stdin", "--no-cache"], {
          env: { ...server.more, HOME: host.folder, PATH: process.env["PATH"] },
          stdio: ["pipe", "ignore", "ignore"],
        });
        const ended = once(other, "exit");
        try {
          await vi.waitUntil(() => locksOf(server).length > 0, { timeout: 60_000 });
          await host.order("check");
          expect(host.state().check, host.journal()).toMatchObject({ problem: "locked" });
          expect(locksOf(server)).toHaveLength(1);
        } finally {
          other.kill("SIGKILL");
          await ended;
        }
        expect(locksOf(server)).toHaveLength(1);
        await host.order("check");
        expect(host.state().check, host.journal()).toMatchObject({ problem: "" });

        const last = botOf(host);
        host.setPassword("canary-another-0123456789");
        await host.order("now");
        expect(botOf(host), host.journal()).toMatchObject({
          good: last?.good,
          snapshot: last?.snapshot,
          problem: "password",
        });
        host.setPassword(password);
        rmSync(server.files, { recursive: true });
        await host.order("now");
        expect(botOf(host), host.journal()).toMatchObject({ good: last?.good, problem: "missing" });
        expect(existsSync(join(server.files, "config"))).toBe(false);
      },
    );

    it("tells a full repository from all else", long, async () => {
      const { host } = await hostOf(await starts[kind]({ maxBytes: 150_000 }));
      host.more["LIMIT_SECONDS"] = "8"; // restic tries for longer.
      await host.order("now");
      expect(botOf(host), host.journal()).toMatchObject({ problem: "full", good: "" });
    });
  });

  describe("a rest-server", () => {
    beforeEach((context) => {
      if (program === undefined) leaveOut(context, "backups to a rest-server", "it was not built");
    });

    it("that only appends keeps every backup, and a backup succeeds although it deletes nothing", long, async () => {
      const { host, server } = await backedUp(await starts.rest({ appendOnly: true }));
      const snapshots = () => readdirSync(join(server.files, "snapshots"));
      writeFileSync(join(host.folders, "maren/state.json"), "later");
      host.more["LIMIT_SECONDS"] = "8"; // For the refused deletion, which restic 0.14 tries again.
      await host.order("now");
      expect(botOf(host), host.journal()).toMatchObject({ problem: "", why: "" });
      expect(snapshots()).toHaveLength(2);
      expect(host.journal()).toContain("the repository does not let this host delete old backups");

      // As docs/backups.md says: nothing to delete, and nothing is refused.
      host.more["KEEP"] = "";
      await host.order("check");
      expect(host.state().check, host.journal()).toMatchObject({ problem: "", good: expect.stringMatching(/Z$/) });

      host.more["KEEP"] = "--keep-daily 7";
      // Data of a backup that its owner removed, which a clean-up would delete.
      for (const name of snapshots()) rmSync(join(server.files, "snapshots", name));
      await host.order("check");
      expect(host.state().check, host.journal()).toMatchObject({ problem: "append-only" });
      expect(storedIn(join(server.files, "data")).length).toBeGreaterThan(0);
    });

    it("whose certificate is not trusted gets no login, and is not taken for a missing repository", long, async () => {
      const { host, server } = await hostOf(await starts.rest());
      host.more["SSL_CERT_FILE"] = "/dev/null";
      await host.order("now");
      expect(botOf(host), host.journal()).toMatchObject({
        problem: "untrusted",
        why: expect.stringContaining("certificate"),
      });
      expect(server.log()).not.toContain("/web-1/");
      expect(existsSync(join(server.files, "config"))).toBe(false);
    });
  });
});

const botOf = (host: BackupHost) => host.state().bots["maren"];

function wipe(host: BackupHost): void {
  rmSync(join(host.folders, "maren"), { recursive: true });
  mkdirSync(join(host.folders, "maren"));
  writeFileSync(join(host.folders, "maren", "state.json"), "other");
}

const locksOf = ({ files }: RepositoryServer) => readdirSync(join(files, "locks"));

const storedIn = (folder: string) =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter((file) => statSync(file).isFile())
    .map((file) => readFileSync(file, "latin1"));

/** Another restic that uses the same repository. */
function clientOf({ folder }: BackupHost, { repository: { kind, url }, more }: RepositoryServer): string[] {
  const credentials = join(folder, "credentials");
  const words = ["--password-file", join(credentials, "restic_password")];
  if (kind === "rest") return [...words, "--repository-file", join(credentials, "restic_rest")];
  const ssh = `ssh -F ${more["SSH_CONFIG"]} -i ${credentials}/restic_ssh_key clawdlets-repository -s sftp`;
  return [...words, "--repo", url, "--option", `sftp.command=${ssh}`];
}

/** Searches the arguments and variables of every process for a secret, again and again. @returns ends it, and says where there was one */
function watchProcesses(secrets: readonly string[]): () => string[] {
  const found = new Set<string>();
  const look = () => {
    for (const id of readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name))) {
      for (const file of ["cmdline", "environ"]) {
        if (secrets.some((secret) => contentOf(`/proc/${id}/${file}`).includes(secret))) found.add(`${file} of ${id}`);
      }
    }
  };
  const timer = setInterval(look, 100);
  return () => {
    clearInterval(timer);
    return [...found];
  };
}

function contentOf(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return ""; // It has ended meanwhile.
  }
}
