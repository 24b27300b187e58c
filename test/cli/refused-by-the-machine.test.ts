import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { describe, expect, it } from "vitest";
import { asUserError } from "../../core/base/system-errors.ts";
import type { Layout } from "../../core/project/layout.ts";
import { checkTool } from "../_check-tools.ts";
import { describeWith } from "../_needs.ts";
import { project, publicKey } from "../_project.ts";
import { repository } from "../_repository.ts";
import { everyCommand } from "./_commands.ts";

const host = "clawdbot-fleet-host";
const clawdlets = join(repository, "bin", "clawdlets");
const bug = /a bug|\n\s+at .*:\d+:\d+|node:internal/;

/** Runs each command line in mounts of its own, which `prepare` makes and which are gone with the last process. */
async function inMounts(layout: Layout, prepare: string, lines: readonly string[]) {
  const runs = lines.map((line) => `timeout 40 '${clawdlets}' ${line} </dev/null 2>&1; printf '\\n=%s=\\n' "$?"`);
  const script = [`set -e; ${prepare}; cd '${layout.root}'; set +e`, ...runs].join("\n");
  const { stdout, exitCode, stderr } = await execa("unshare", ["--mount", "bash", "--norc", "-c", script], {
    reject: false,
  });
  expect(exitCode, stderr).toBe(0);
  const parts = stdout.split(/\n=(\d+)=\n?/);
  return lines.map((line, n) => ({ line: line.trim(), said: parts[2 * n] ?? "", code: Number(parts[2 * n + 1]) }));
}

/** The token is malformed, so that nothing asks Hetzner. */
function aProject(): Layout {
  const layout = project({ env: "HCLOUD_TOKEN=too-short\n" });
  writeFileSync(join(layout.dir, "passphrase"), "x\n", { mode: 0o600 });
  writeFileSync(join(layout.root, "key.pub"), `${publicKey}\n`);
  mkdirSync(layout.state, { mode: 0o700 });
  return layout;
}

const withWords: Readonly<Record<string, string>> = {
  "secrets edit": "discord_token_maren",
  ssh: host,
  "bot add": "maren --channel none --model openai/gpt-5.4-mini",
  "bot show": "maren",
  "bot remove": "maren --yes",
};
const groups = ["", "demo", "emulator", "secrets", "server", "window"];
const everyLine = (await everyCommand())
  .map((words) => words.join(" "))
  .filter((name) => !groups.includes(name))
  .map((name) => `${name} ${withWords[name] ?? ""}`);
const another = "init --host web-2 --admin-cidr 203.0.113.7/32 --ssh-pubkey ./key.pub";

describeWith({ programs: ["unshare", "mount"], root: true }, "a project that cannot be written", () => {
  it("because it is read-only is never a bug, and keeps no command that only reads from its answer", async () => {
    await checkTool("gitleaks"); // doctor would build it first.
    const layout = aProject();
    const readOnly = `mount --bind '${layout.root}' '${layout.root}'; mount -o remount,ro,bind '${layout.root}'`;
    const all = await inMounts(layout, readOnly, [...everyLine, "verify --all", "up --all", another]);
    for (const { line, said, code } of all) {
      expect(said, line).not.toMatch(bug);
      expect(code, `${line}: ${said}`).toBeLessThanOrEqual(13);
    }
    const said = Object.fromEntries(all.map((each) => [each.line, each.said]));
    for (const line of ["verify", "verify --all", "lockdown", "status"]) expect(said[line]).toMatch(/HCLOUD_TOKEN/);
    expect(said["doctor"]).toMatch(/\d+ problems/);
    expect(said["up --all"]).toMatch(
      /Cannot .*\.clawdlets.*: the file system is read-only \(EROFS\)\. Mount it read-write/,
    );
    expect(said[another]).toMatch(/Cannot .* read-only \(EROFS\)/);
  }, 800_000);

  it("without disk space names the file, what failed, and what to do", async () => {
    const layout = aProject();
    const full = [
      `mkdir /tmp/full.$$; mount -t tmpfs -o size=64k,mode=0700 none /tmp/full.$$; cp -a '${layout.dir}/.' /tmp/full.$$`,
      `mount --move /tmp/full.$$ '${layout.dir}'; rmdir /tmp/full.$$`,
      `dd if=/dev/zero of='${layout.dir}/filler' bs=1k 2>/dev/null || true`,
    ].join("; ");
    const all = await inMounts(layout, full, ["up --all", "verify --all", another]);
    for (const { line, said } of all) expect(said, line).not.toMatch(bug);
    expect(all[0]?.said).toMatch(
      /Cannot (write|create the folder) \/.*: no space left on the disk \(ENOSPC\)\. Free some/,
    );
    expect(all[1]?.said).toContain("--resume cannot continue this run");
    expect(all[1]?.said).toMatch(/HCLOUD_TOKEN/);
  }, 200_000);

  it("by another user is said with its path", async () => {
    const layout = aProject();
    chmodSync(layout.root, 0o755);
    const line = ["--reuid=65534", "--clear-groups", clawdlets, "status", "--no-drift"];
    const { all } = await execa("setpriv", line, { cwd: layout.root, reject: false, all: true });
    expect(all).not.toMatch(bug);
    expect(all).toContain(".clawdlets");
  }, 60_000);
});

describe("what the machine refuses", () => {
  it.each([20, 24, 32, 48])(
    "with %i open files allowed is not a bug",
    async (limit) => {
      const layout = aProject();
      const lines = ["verify --all", "doctor --scope stack", "status"].map((line) => `'${clawdlets}' ${line}`);
      const script = `ulimit -n ${limit}; ${lines.join("; ")}`;
      const { all } = await execa("bash", ["--norc", "-c", script], { cwd: layout.root, reject: false, all: true });
      expect(all).not.toMatch(/a bug/);
    },
    60_000,
  );

  it("as a file where a folder has to be names it", async () => {
    const layout = aProject();
    writeFileSync(join(layout.dir, "hosts"), "");
    writeFileSync(join(layout.dir, "fleet"), "");
    for (const args of [["up", "--all"], ["logs"], ["install", "--status"], ["secrets", "init"]]) {
      const { all } = await execa(clawdlets, args, { cwd: layout.root, reject: false, all: true, input: "" });
      expect(all, args.join(" ")).not.toMatch(bug);
    }
  }, 60_000);

  it("in a folder that is gone says so", async () => {
    const script = `d=$(mktemp -d); cd $d; rmdir $d; '${clawdlets}' status`;
    const { all } = await execa("bash", ["--norc", "-c", script], { reject: false, all: true });
    expect(all).toMatch(/current folder no longer exists/);
    expect(all).not.toMatch(bug);
  });

  it.each([
    [
      { code: "EROFS", syscall: "mkdir", path: "/p/.clawdlets" },
      "Cannot create the folder /p/.clawdlets: the file system is read-only (EROFS).",
    ],
    [
      { code: "EEXIST", syscall: "mkdir", path: "/p/data" },
      "Cannot create the folder /p/data: there is a file where a folder is needed (EEXIST). Move that file away",
    ],
    [{ code: "EEXIST", syscall: "link", path: "/p/x" }, "Cannot link /p/x: something is already there (EEXIST)."],
    [{ code: "EDQUOT", syscall: "write", path: "/p/x" }, "Cannot write /p/x: your disk quota is used up (EDQUOT)."],
    [
      { code: "EACCES", syscall: "rename", path: "/p/x.1", dest: "/p/x" },
      "Cannot replace /p/x: permission denied (EACCES).",
    ],
    [
      { code: "EMFILE", syscall: "spawn ssh", path: "ssh" },
      "Cannot start ssh: this process has too many open files (EMFILE).",
    ],
  ])("as %o is a sentence", (what, sentence) => {
    const error = Object.assign(new Error("x"), what);
    expect(asUserError(error)?.message).toContain(sentence);
    expect(asUserError(new Error("outer", { cause: error }))?.message).toContain(sentence);
  });

  it.each([
    new TypeError("x is not a function"),
    Object.assign(new Error("a file that we ship"), { code: "ENOENT", syscall: "open", path: "/p/x" }),
    Object.assign(new Error("a socket"), { code: "EACCES", syscall: "connect" }),
  ])("does not hide a bug: %s", (error) => {
    expect(asUserError(error)).toBeUndefined();
  });
});
