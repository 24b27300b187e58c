import { chownSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { expect, it } from "vitest";
import { problemLine } from "../../../../core/base/problem.ts";
import { ownFolderProblem } from "../../../../core/project/own-folder.ts";
import { checkRepo } from "../../../../core/tasks/doctor/repo.ts";
import { scanRepository } from "../../../../core/tasks/repo/secret-scan.ts";
import { isRoot } from "../../../_debian.ts";
import { project } from "../../../_project.ts";

/** As in a container that runs as root on a mounted checkout (NixOS/nix#6443). */
async function foreignRepository() {
  const layout = project();
  const git = (...args: string[]) =>
    execa("git", ["-c", "user.name=t", "-c", "user.email=t@t.invalid", ...args], { cwd: layout.root });
  await git("init", "--quiet", "--initial-branch=main");
  for (const [file, text] of [
    [".gitignore", ".clawdlets/\n"],
    ["flake.nix", "{}\n"],
    ["flake.lock", "{}\n"],
  ] as const)
    writeFileSync(join(layout.root, file), text);
  await git("add", "--all");
  await git("commit", "--quiet", "-m", "x");
  for (const path of [layout.root, join(layout.root, ".git")]) chownSync(path, 12345, 12345);
  return layout;
}

it.runIf(isRoot)("a repository of another user, which git refuses, is named as that", async () => {
  const layout = await foreignRepository();
  const scanSecrets = (root: string) => scanRepository({ root, gitleaks: "/nowhere", rules: "/nowhere" });
  const { signal } = new AbortController();
  const found = await checkRepo({ layout, hosts: [], environment: {}, sops: undefined, signal, scanSecrets });
  const said = /git refuses .* because another user owns it/;
  const fix = new RegExp(`git config --global --add safe.directory '${layout.root}'`);
  const problem = ownFolderProblem(layout);
  expect(problem && problemLine(problem)).toMatch(said);
  const bad = found.filter(({ status }) => status !== "ok");
  expect(bad.map(({ check, status }) => [check, status])).toEqual([
    ["local folder", "problem"],
    ["tracked files", "not checked"],
    ["branches", "not checked"],
    ["secret scan", "not checked"],
    ["flake.lock", "not checked"],
    ["commits", "not checked"],
  ]);
  for (const each of bad) expect(each).toMatchObject({ problem: expect.stringMatching(said) });
  expect(bad[0]).toMatchObject({ fix: expect.stringMatching(fix) });
});
