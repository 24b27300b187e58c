import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { describeWith } from "../_needs.ts";
import { temporaryFolder } from "../_project.ts";
import { repository } from "../_repository.ts";
import { filesIn, passwordHash } from "../core/project/secrets/_lab.ts";

const entry = join(repository, "bin", "clawdlets.mjs");
const hooks = join(repository, ".githooks");

const git = (root: string, ...args: string[]) =>
  execa("git", ["-c", "user.name=t", "-c", "user.email=t@t.invalid", "-c", `core.hooksPath=${hooks}`, ...args], {
    cwd: root,
  });

const clawdlets = (root: string, args: string[], env: Record<string, string> = {}, input = "") =>
  execa(process.execPath, [entry, ...args], {
    cwd: root,
    input,
    env: environment(root, env),
    reject: false,
    all: true,
  });

const environment = (root: string, env: Record<string, string> = {}) => ({
  HOME: `${root}-home`,
  XDG_STATE_HOME: `${root}-home/state`,
  ...env,
});

/** A project with one host, made by the commands once, and a stranger's branch that tracks .clawdlets. */
const template = mkdtempSync(join(tmpdir(), "clawdlets-git-"));
beforeAll(async () => {
  const root = join(template, "project");
  mkdirSync(join(`${root}-home`, ".ssh"), { recursive: true });
  mkdirSync(root);
  copyFileSync(join(repository, "Pulumi.yaml"), join(root, "Pulumi.yaml"));
  await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(`${root}-home`, ".ssh", "id_ed25519")]);
  await git(root, "init", "--quiet", "--initial-branch=main");
  const facts = ["--host", "web-1", "--admin-cidr", "203.0.113.9/32", "--bots", "maren"];
  const values = { adminPasswordHash: passwordHash, tailscaleAuthKey: "tskey-auth-x", discordTokens: { maren: "x" } };
  const made = await clawdlets(root, ["init", ...facts, "--from-json", "-"], {}, JSON.stringify(values));
  expect(made.exitCode, made.all).toBe(0);
  writeFileSync(join(root, ".clawdlets", ".env"), `HCLOUD_TOKEN=${"a".repeat(64)}\n`, { mode: 0o600 });
  await git(root, "add", "--all");
  await git(root, "-c", "core.hooksPath=/dev/null", "commit", "--quiet", "-m", "hosts");
  const theirs = join(template, "theirs");
  await execa("git", ["worktree", "add", "--quiet", "-b", "theirs", theirs], { cwd: root });
  for (const path of keysOf(root).keys()) {
    mkdirSync(join(theirs, path, ".."), { recursive: true });
    writeFileSync(join(theirs, path), "theirs\n");
  }
  await git(theirs, "add", "--force", ".clawdlets");
  await git(theirs, "-c", "core.hooksPath=/dev/null", "commit", "--quiet", "-m", "theirs");
  await git(root, "worktree", "remove", "--force", theirs);
});
afterAll(() => rmSync(template, { recursive: true, force: true }));

/** What cannot be made again, by path. */
function keysOf(root: string): Map<string, string> {
  const all = [...filesIn(join(root, ".clawdlets"))].map(([path, text]) => [relative(root, path), text] as const);
  return new Map(all.filter(([path]) => !/^\.clawdlets\/(state|dist)|\.lock$|\.holder$|state\.json$/.test(path)));
}

let root: string;
beforeEach(() => {
  const folder = temporaryFolder();
  cpSync(template, folder, { recursive: true });
  root = join(folder, "project");
});

/** Any command that changes a secret, so that the copy has what was edited by hand since. */
const edit = (env: Record<string, string> = {}) =>
  clawdlets(root, ["secrets", "edit", "discord_token_maren"], env, "newer\n");

describeWith({ programs: ["git", "ssh-keygen"] }, "a checkout of a branch that tracks .clawdlets, and back", () => {
  it("deletes the keys, and one command brings them back bit by bit", async () => {
    expect((await edit()).exitCode).toBe(0);
    const before = keysOf(root);
    expect(before.size).toBeGreaterThan(10);

    const there = await git(root, "switch", "--quiet", "theirs");
    expect(there.stderr).toMatch(/this branch tracks \.clawdlets: your own keys were overwritten/);
    const foreign = await clawdlets(root, ["secrets", "verify"]);
    expect([foreign.exitCode, foreign.all]).toEqual([3, expect.stringMatching(/clawdlets secrets restore/)]);
    const tooEarly = await clawdlets(root, ["secrets", "restore"]);
    expect([tooEarly.exitCode, tooEarly.all]).toEqual([3, expect.stringMatching(/switch back \(git switch -\)/)]);

    const back = await git(root, "switch", "--quiet", "main");
    expect(back.stderr).toMatch(/git deleted those files.*secrets restore/);
    for (const path of before.keys()) expect(existsSync(join(root, path)), path).toBe(false);
    const without = await clawdlets(root, ["secrets", "sync", "--json"]);
    expect([without.exitCode, without.stderr]).toEqual([3, expect.stringMatching(/here before.*secrets restore/)]);
    expect(JSON.stringify(JSON.parse(without.stdout).problems)).toContain("clawdlets secrets restore");
    const doctor = await clawdlets(root, ["doctor", "--scope", "repo", "--json"]);
    expect(JSON.parse(doctor.stdout).findings).toContainEqual(
      expect.objectContaining({ check: "copy of keys", status: "problem" }),
    );

    const dry = await clawdlets(root, ["secrets", "restore", "--dry-run", "--json"]);
    expect(JSON.parse(dry.stdout)).toMatchObject({ ok: true, missing: [...before.keys()].sort(), different: [] });
    expect(keysOf(root).size).toBe(0);
    const restored = await clawdlets(root, ["secrets", "restore"]);
    expect([restored.exitCode, restored.stdout]).toEqual([0, expect.stringMatching(/next: clawdlets doctor/)]);
    expect(keysOf(root)).toEqual(before);
    const verified = await clawdlets(root, ["secrets", "verify", "--json"]);
    expect(JSON.parse(verified.stdout), verified.all).toMatchObject({ ok: true });
    const after = await clawdlets(root, ["doctor", "--scope", "repo", "--json"]);
    expect(JSON.parse(after.stdout).findings).toContainEqual(
      expect.objectContaining({ check: "copy of keys", status: "ok" }),
    );
  }, 300_000);

  it("without the copy deletes them for good", async () => {
    rmSync(`${root}-home/state`, { recursive: true });
    expect((await edit({ CLAWDLETS_KEY_COPY: "off" })).exitCode).toBe(0);
    await git(root, "switch", "--quiet", "theirs");
    await git(root, "switch", "--quiet", "main");
    const { exitCode, all } = await clawdlets(root, ["secrets", "restore"]);
    expect([exitCode, all]).toEqual([3, expect.stringMatching(/There is no copy of \.clawdlets of/)]);
  }, 120_000);
});

describeWith({ programs: ["unshare", "mount"], root: true }, "a copy that cannot be written", () => {
  it.each([
    ["a full disk", "size=4k,nr_inodes=1", /no space left/],
    ["a read-only home", "ro", /read-only/],
  ])(
    "because of %s is a warning, and the command does its work",
    async (_, options, reason) => {
      const state = `${root}-home/state`;
      const script = `mount -t tmpfs -o ${options} none '${state}' && exec "$@"`;
      const words = [
        "--mount",
        "sh",
        "-c",
        script,
        "sh",
        process.execPath,
        entry,
        "secrets",
        "edit",
        "discord_token_maren",
      ];
      const edited = await execa("unshare", words, {
        cwd: root,
        input: "newest\n",
        env: environment(root),
        reject: false,
      });
      expect([edited.exitCode, edited.stdout]).toEqual([0, expect.stringMatching(/changed on this machine/)]);
      expect(edited.stderr).toMatch(/^clawdlets: warning: no copy of \.clawdlets was kept: /m);
      expect(edited.stderr).toMatch(reason);
      expect(readFileSync(join(root, ".clawdlets", ".env"), "utf8")).toContain("HCLOUD_TOKEN");
    },
    60_000,
  );
});
