import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { expect, it } from "vitest";
import { describeWith } from "../_needs.ts";
import { temporaryFolder } from "../_project.ts";
import { repository } from "../_repository.ts";

const identity = { GIT_AUTHOR_NAME: "a", GIT_AUTHOR_EMAIL: "a@b", GIT_COMMITTER_NAME: "a", GIT_COMMITTER_EMAIL: "a@b" };

/**
 * A repository with three commits on `main`, one more on the branch `other`, and one that no branch has, as GitHub keeps those
 * of forks: it is asked for by its number. Real git; nixos-rebuild only notes.
 */
async function repositoryWithFork() {
  const folder = temporaryFolder();
  const origin = join(folder, "origin");
  const bin = join(folder, "bin");
  const log = join(folder, "rebuild.log");
  mkdirSync(bin);
  writeFileSync(join(bin, "nixos-rebuild"), `#!/bin/sh\necho "$*" >>'${log}'\n`);
  chmodSync(join(bin, "nixos-rebuild"), 0o755);
  const git = async (...args: string[]) => (await execa("git", ["-C", origin, ...args], { env: identity })).stdout;
  await execa("git", ["init", "--quiet", "--initial-branch=main", origin]);
  const commit = async (name: string) => {
    writeFileSync(join(origin, "flake.nix"), `# ${name}\n`);
    await git("add", "--all");
    await git("commit", "--quiet", "--message", name);
    return await git("rev-parse", "HEAD");
  };
  const [first, , newest] = [await commit("one"), await commit("two"), await commit("three")];
  await git("checkout", "--quiet", "-b", "other");
  const other = await commit("other");
  await git("checkout", "--quiet", "--detach", "main");
  const fork = await commit("fork");
  await git("checkout", "--quiet", "main");
  await git("config", "uploadpack.allowAnySHA1InWant", "true");

  const cache = join(folder, "cache.git");
  const run = async (args: readonly string[], more: Record<string, string> = {}) => {
    const settings = { REPOSITORY: `file://${origin}`, REF: "main", HOST: "web-1", CACHE: cache, ...more };
    const env = { PATH: [bin, process.env["PATH"]].join(delimiter), LOCK_FILE: join(folder, "lock"), ...settings };
    return await execa("bash", [join(repository, "nix/host/rebuild-host.sh"), ...args], {
      env,
      extendEnv: false,
      reject: false,
    });
  };
  const done = () => (existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : []);
  return { run, done, git, commit, cache, first: first ?? "", newest: newest ?? "", other, fork };
}

const switched = (cache: string, rev: string) =>
  `switch --flake git+file://${cache}?ref=refs/heads/main&rev=${rev}#web-1`;

describeWith({ programs: ["git", "bash", "flock"] }, "rebuild-host", () => {
  it("switches to the newest commit of the branch, and to one that the branch had", async () => {
    const { run, done, cache, first, newest } = await repositoryWithFork();
    expect((await run([])).exitCode).toBe(0);
    expect((await run(["--rev", first])).exitCode).toBe(0);
    expect(done()).toEqual([switched(cache, newest), switched(cache, first)]);
  });

  it("knows what was pushed since, also when history was rewritten", async () => {
    const { run, done, cache, git, commit, newest } = await repositoryWithFork();
    await run([]);
    await git("reset", "--quiet", "--hard", "HEAD~1");
    const next = await commit("four");
    expect((await run([])).exitCode).toBe(0);
    expect(done().at(-1)).toBe(switched(cache, next));
    expect((await run(["--rev", newest])).stderr).toContain("is no commit of the branch main");
  });

  it("refuses a fork's commit, although its repository would give it away", async () => {
    const { run, done, git, fork } = await repositoryWithFork();
    const folder = temporaryFolder();
    const origin = (await git("rev-parse", "--show-toplevel")).trim();
    await execa("git", ["init", "--quiet", folder]);
    // What `github:owner/repo/<commit>` comes down to.
    await execa("git", ["-C", folder, "fetch", "--quiet", `file://${origin}`, fork]);
    const { exitCode, stderr } = await run(["--rev", fork]);
    expect(stderr).toContain(`refused, nothing changed: ${fork} is no commit of the branch main`);
    expect(exitCode).toBe(1);
    expect(done()).toEqual([]);
  });

  it("refuses another branch's commit, even when that branch was fetched before", async () => {
    const { run, done, cache, git, other } = await repositoryWithFork();
    const origin = (await git("rev-parse", "--show-toplevel")).trim();
    await run([]);
    await execa("git", ["-C", cache, "fetch", "--quiet", `file://${origin}`, "other"]);
    expect((await run(["--rev", other])).stderr).toContain("is no commit of the branch main");
    expect(done()).toHaveLength(1);
  });

  it.each([
    [["--rev"]],
    [["--rev", "main"]],
    [["--rev", "HEAD"]],
    [["--rev", "0".repeat(39)]],
    [["--rev", "0".repeat(40), "--flake", "x"]],
    [["--rev", `${"0".repeat(40)}\n`]],
    [["--ref", "0".repeat(40)]],
    [["--help"]],
    [[""]],
  ])("refuses %j", async (args) => {
    const { run, done } = await repositoryWithFork();
    const { exitCode, stderr } = await run(args);
    expect(stderr).toContain("refused, nothing changed: allowed: no argument, or --rev and a commit in full");
    expect(exitCode).toBe(1);
    expect(done()).toEqual([]);
  });

  it("says so when the branch is not there", async () => {
    const { run } = await repositoryWithFork();
    expect((await run([], { REF: "none" })).stderr).toContain("has no branch none that can be fetched");
  });
});
