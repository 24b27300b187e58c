import { describe, expect, it } from "vitest";
import { runGit } from "../../../../core/base/machine/git.ts";
import { rebuildSource } from "../../../../core/host/flake/rebuild-source.ts";
import { temporaryFolder } from "../../../_project.ts";

const commit = "0123456789abcdef0123456789abcdef01234567";
const hosts = { repository: "github:you/hosts" };

describe("where a running host finds its commits", () => {
  it.each([
    ["github:you/hosts", hosts],
    ["github:you/hosts#web-1", hosts],
    ["github:you/hosts/main", hosts],
    ["github:you/hosts?ref=refs/heads/main", hosts],
    ["github:you/hosts/production", { ...hosts, branch: "production" }],
    ["github:you/hosts?ref=production", { ...hosts, branch: "production" }],
    ["github:you/hosts?ref=refs/tags/v1", hosts],
    [`github:you/hosts?rev=${commit}`, hosts],
    [`github:you/hosts/${commit}`, hosts],
    ["github:you/hosts?host=ghe.example.com", undefined],
    ["git+https://gitlab.com/you/hosts", undefined],
    ["/home/you/hosts", undefined],
  ])("the flake %s names it", async (flake, source) => {
    expect(await rebuildSource("/", flake)).toEqual(source);
  });

  it.each([
    ["git@github.com:you/hosts.git", "main", hosts],
    ["https://github.com/you/hosts", "production", { ...hosts, branch: "production" }],
    ["git@gitlab.com:you/hosts.git", "main", undefined],
    [undefined, "main", undefined],
  ])("without a flake it is the origin %s on branch %s", async (origin, branch, source) => {
    const root = temporaryFolder();
    await runGit(root, ["init", "--quiet", `--initial-branch=${branch}`]);
    if (origin !== undefined) await runGit(root, ["remote", "add", "origin", origin]);
    expect(await rebuildSource(root, undefined)).toEqual(source);
  });
});
