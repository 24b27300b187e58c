import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { exitCodes } from "../../../core/base/exit-codes.ts";
import type { PreviewReport } from "../../../engine/preview/plan/report.ts";
import { Clone, facts } from "./_clone.ts";

const folder = mkdtempSync(join(tmpdir(), "clawdlets-takeover-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const reportOf = (stdout: string): PreviewReport => JSON.parse(stdout);

function write(clone: Clone, path: string, text: string): void {
  mkdirSync(dirname(join(clone.root, path)), { recursive: true });
  writeFileSync(join(clone.root, path), text);
}

test("a pull request that hands a host to someone else is dangerous, each setting with its old and new value", async () => {
  const clone = new Clone(join(folder, "settings"));
  await clone.host("web-1", { flake: "github:us/hosts" });
  await clone.host("web-2");
  await clone.commit("the hosts");
  const theirs = await facts();
  const changed: [string, string, string][] = [];
  for (const key of ["ageRecipient", "sshHostKey", "adminSshKeys"] as const) {
    const given = theirs[key];
    const after = Array.isArray(given) ? given[0] : String(given);
    const text = readFileSync(clone.file("web-1"), "utf8");
    const before = new RegExp(`clawdlets:${key}:\\s+(?:- )?(.*)`).exec(text)?.[1] ?? "";
    clone.edit("stacks/Pulumi.web-1.yaml", before, after);
    changed.push([`clawdlets:${key}`, before, after]);
  }
  clone.edit("stacks/Pulumi.web-1.yaml", "github:us/hosts", "github:them/hosts");
  const key = `them-1:${"A".repeat(43)}=`;
  clone.edit(
    "stacks/Pulumi.web-1.yaml",
    "config:",
    `config:\n  clawdlets:install:\n    kexec: https://them.invalid/kexec.tar.gz\n    substituters: [https://them.invalid]\n    trustedPublicKeys: ["${key}"]`,
  );
  const { exitCode, stdout, stderr } = await clone.preview(["--all", "--base", "HEAD", "--format", "json"]);
  expect(exitCode, stdout + stderr).toBe(exitCodes.dangerous);
  const report = reportOf(stdout);
  expect(report.hosts.map(({ host, verdict }) => [host, verdict])).toEqual([
    ["web-1", "dangerous"],
    ["web-2", "clean"],
  ]);
  const found = (report.hosts[0]?.differences ?? []).map(({ setting, before, after, dangerous }) => [
    setting,
    before,
    after,
    dangerous,
  ]);
  for (const [setting, before, after] of [
    ...changed,
    ["clawdlets:flake", "github:us/hosts", "github:them/hosts"],
    ["clawdlets:install.kexec", undefined, "https://them.invalid/kexec.tar.gz"],
    ["clawdlets:install.substituters", "[]", "https://them.invalid"],
    ["clawdlets:install.trustedPublicKeys", "[]", "them-1:AAAAAAAAAAAA"],
  ]) {
    const row = found.find(([name]) => name === setting);
    expect(row?.[3], String(setting)).toBe(true);
    if (before !== undefined) expect(row?.[1]).toContain(before);
    expect(row?.[2]).toContain(after);
  }
  const text = await clone.preview(["--all", "--base", "HEAD"]);
  expect(text.stdout).toContain("trust: clawdlets:flake: github:us/hosts → github:them/hosts");
}, 180_000);

test("files that decide who is trusted are dangerous, Nix files and flake inputs at least a change", async () => {
  const clone = new Clone(join(folder, "files"));
  await clone.host("web-1");
  const lock = (owner: string, rev: string) =>
    JSON.stringify({
      nodes: {
        clawdlets: { locked: { owner, repo: "clawdlets", rev: rev.repeat(40), type: "github" } },
        root: { inputs: { clawdlets: "clawdlets" } },
      },
      root: "root",
      version: 7,
    });
  write(clone, "flake.lock", lock("us", "a"));
  write(clone, "flake.nix", "{ }\n");
  write(clone, "hosts/web-1.nix", "{ services.nginx.enable = true; }\n");
  write(clone, ".github/workflows/ci.yml", "on: [push]\njobs: {}\n");
  write(clone, "README.md", "# Hosts\n");
  await clone.commit("the hosts");
  const preview = async () => {
    const { exitCode, stdout, stderr } = await clone.preview(["--all", "--base", "HEAD", "--format", "json"]);
    const report = reportOf(stdout || "{}");
    const all = [...(report.differences ?? []), ...(report.hosts?.flatMap((each) => each.differences ?? []) ?? [])];
    return { exitCode, all, said: stdout + stderr };
  };

  write(clone, "README.md", "# Our hosts\n");
  write(clone, ".github/workflows/ci.yml", '# said differently\njobs: {}\n"on":\n  - push\n');
  const harmless = await preview();
  expect(harmless.exitCode, harmless.said).toBe(exitCodes.ok);

  write(clone, "flake.lock", lock("us", "b"));
  write(clone, "hosts/web-1.nix", "{ services.nginx.enable = false; }\n");
  const changes = await preview();
  expect(changes.exitCode, changes.said).toBe(exitCodes.changes);
  expect(changes.all.map(({ file }) => file).sort()).toEqual(["flake.lock", "hosts/web-1.nix"]);

  write(clone, "flake.lock", lock("them", "b"));
  write(clone, ".github/workflows/ci.yml", "on: [pull_request_target]\njobs: {}\n");
  write(clone, ".githooks/post-checkout", "#!/bin/sh\n");
  clone.edit("Pulumi.yaml", "file://.clawdlets/state", "s3://them");
  clone.edit("package.json", '"scripts": {', '"scripts": {"postinstall": "sh x",');
  const dangerous = await preview();
  expect(dangerous.exitCode, dangerous.said).toBe(exitCodes.dangerous);
  for (const [file, setting] of [
    ["flake.lock", "nodes.clawdlets.locked.owner"],
    [".github/workflows/ci.yml", "on.0"],
    [".githooks/post-checkout", undefined],
    ["Pulumi.yaml", "backend.url"],
    ["package.json", "scripts.postinstall"],
  ])
    expect(dangerous.all, `${file} ${setting}`).toContainEqual(
      expect.objectContaining({ file, dangerous: true, ...(setting !== undefined && { setting }) }),
    );
}, 300_000);
