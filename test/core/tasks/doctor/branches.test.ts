import { appendFileSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { expect, it } from "vitest";
import type { Layout } from "../../../../core/project/layout.ts";
import { checkRepo } from "../../../../core/tasks/doctor/repo.ts";
import { project } from "../../../_project.ts";

async function repository(): Promise<{ layout: Layout; git: (...args: string[]) => Promise<unknown> }> {
  const layout = project();
  const git = (...args: string[]) =>
    execa("git", ["-c", "user.name=t", "-c", "user.email=t@t.invalid", ...args], { cwd: layout.root });
  await git("init", "--quiet", "--initial-branch=main");
  writeFileSync(join(layout.root, ".gitignore"), ".clawdlets/\n");
  await git("add", "--all");
  await git("commit", "--quiet", "-m", "x");
  return { layout, git };
}

const findingOf = async (layout: Layout) => {
  const { signal } = new AbortController();
  const findings = await checkRepo({ layout, hosts: [], environment: {}, sops: undefined, signal });
  return findings.find(({ check }) => check === "branches");
};

it("names a branch that would overwrite and delete the keys, before it is checked out", async () => {
  const { layout, git } = await repository();
  expect(await findingOf(layout)).toMatchObject({ status: "ok" });
  const env = join(layout.dir, ".env");
  // Made without touching the work tree, as a fetch brings it.
  await git("update-index", "--add", "--cacheinfo", `100644,${await blobOf(layout)},.clawdlets/.env`);
  const tree = (await execa("git", ["write-tree"], { cwd: layout.root })).stdout;
  await git("read-tree", "HEAD");
  const made = await execa(
    "git",
    ["-c", "user.name=t", "-c", "user.email=t@t.invalid", "commit-tree", tree, "-p", "HEAD", "-m", "theirs"],
    { cwd: layout.root },
  );
  await git("update-ref", "refs/remotes/origin/theirs", made.stdout);
  expect(existsSync(env)).toBe(true);
  expect(await findingOf(layout)).toMatchObject({
    status: "problem",
    problem: expect.stringContaining("refs/remotes/origin/theirs tracks .clawdlets"),
  });
  // What it warns of is what git does.
  await git("checkout", "--quiet", "--detach", "origin/theirs");
  await git("checkout", "--quiet", "main");
  expect(existsSync(env)).toBe(false);
});

async function blobOf(layout: Layout): Promise<string> {
  return (await execa("git", ["hash-object", "-w", "--stdin"], { cwd: layout.root, input: "HCLOUD_TOKEN=x\n" })).stdout;
}

it("the pre-commit hook refuses a .clawdlets that is staged", async () => {
  const { layout, git } = await repository();
  const hook = join(process.cwd(), ".githooks", "pre-commit");
  await git("add", "--force", ".clawdlets/.env");
  const { exitCode, stderr } = await execa("sh", [hook], { cwd: layout.root, reject: false });
  expect([exitCode, stderr]).toEqual([1, expect.stringContaining(".clawdlets is staged")]);
});

it("warns of what a host's system would lack, because it is not committed", async () => {
  const { layout, git } = await repository();
  const { signal } = new AbortController();
  const commits = async () => {
    const findings = await checkRepo({ layout, hosts: [], environment: {}, sops: undefined, signal });
    return findings.find(({ check }) => check === "commits");
  };
  expect(await commits()).toMatchObject({ status: "ok" });
  mkdirSync(join(layout.root, "hosts"));
  writeFileSync(join(layout.root, "hosts", "web 1.nix"), "{ }\n");
  appendFileSync(join(layout.stacks, "Pulumi.clawdbot-fleet-host.yaml"), "  clawdlets:tags: [eu]\n");
  // The user's own setting must not hide new files.
  await git("config", "status.showUntrackedFiles", "no");
  expect(await commits()).toMatchObject({
    status: "warning",
    problem: expect.stringMatching(/^stacks\/Pulumi\.clawdbot-fleet-host\.yaml, hosts\/web 1\.nix not committed/),
  });
  await git("add", "--all");
  expect(await commits()).toMatchObject({ status: "warning" });
  await git("commit", "--quiet", "-m", "all");
  expect(await commits()).toMatchObject({ status: "ok" });
});
