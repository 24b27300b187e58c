import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { describe, expect, it } from "vitest";
import { problemLine } from "../../../../core/base/problem.ts";
import { wantedConfiguration } from "../../../../core/host/activation/wanted.ts";
import { commitOf, commitsOnce, revisionOf } from "../../../../core/host/flake/commits.ts";
import { evaluateSystem } from "../../../../core/host/flake/evaluate.ts";
import { ciphertextDigest } from "../../../../core/project/secrets/ciphertext.ts";
import { completeSettings, loadHost } from "../../../../core/project/settings/host.ts";
import { checkStackConfig } from "../../../../core/project/settings/stack-config/check.ts";
import { stackConfig } from "../../../../core/project/settings/stack-config/stack-config.ts";
import { project, publicKey, recipient, stackFile, temporaryFolder } from "../../../_project.ts";

const rev = "0123456789abcdef0123456789abcdef01234567";
const other = "89abcdef0123456789abcdef0123456789abcdef";
const host = "clawdbot-fleet-host";
const raw = { serverType: "cx43", ageRecipient: recipient, sshHostKey: publicKey, adminSshKeys: [publicKey] };
const settingsWith = (more: object) => completeSettings(host, stackConfig.parse({ ...raw, ...more }));

describe("without .clawdlets, a stack", () => {
  const layout = project();
  const github = "github:you/hosts";
  it.each<[string, object, unknown]>([
    ["leaves a host alone whose flake names no commit", { flake: github }, undefined],
    ["leaves a host alone that has no flake of its own", {}, undefined],
    ["wants the commit that the flake names", { flake: `${github}/${rev}` }, { revision: rev }],
    ["wants it however it is named", { flake: `git+https://x.example/r?ref=main&rev=${rev}` }, { revision: rev }],
    ["wants what the state says of a branch", { flake: github, rebuild: { onUp: "newest" } }, {}],
    ["leaves alone what is to be left alone", { flake: `${github}/${rev}`, rebuild: { onUp: "never" } }, undefined],
    ["leaves a host alone that nobody can reach", { flake: `${github}/${rev}`, tailnet: "none" }, undefined],
    [
      "wants it of one that is reached publicly",
      { flake: `${github}/${rev}`, tailnet: "none", sshExposure: "public" },
      { revision: rev },
    ],
  ])("%s", async (_, more, wanted) => {
    expect(await wantedConfiguration(layout, settingsWith(more), undefined)).toEqual(wanted);
  });

  it("refuses the newest commit for a host that nobody can reach", async () => {
    const settings = settingsWith({ tailnet: "none", rebuild: { onUp: "newest" } });
    await expect(wantedConfiguration(layout, settings, undefined)).rejects.toThrow(
      /clawdlets:rebuild\.onUp: is "newest", but with tailnet "none" and sshExposure "tailnet" nobody can reach/,
    );
  });
});

describe("clawdlets:rebuild", () => {
  const problems = (rebuild: unknown) =>
    checkStackConfig({ ...raw, rebuild }, "stack").problems.map((each) => problemLine({ ...each, subject: "" }));
  it.each([[{}], [{ onUp: "newest" }], [{ deadline: 10 }], [{ deadline: 3600 }], ['{"onUp":"never","deadline":"60"}']])(
    "takes %j",
    (rebuild) => {
      expect(problems(rebuild)).toEqual([]);
    },
  );
  it.each<[unknown, RegExp]>([
    [{ onUp: "always" }, /^clawdlets:rebuild\.onUp: is "always"; allowed: "pinned", "newest" or "never"/],
    [{ deadline: 9 }, /^clawdlets:rebuild\.deadline: is 9; allowed: whole seconds, 10 to 3600/],
    [{ deadline: 3601 }, /is 3601; allowed/],
    [{ deadline: 1.5 }, /allowed: whole seconds/],
    [{ onup: "never" }, /did you mean "onUp"/],
    [
      "newest",
      /allowed: an object with enabled, buildOn, builderKey, repository, branch, onUp, deadline and maxAgeDays/,
    ],
  ])("refuses %j", (rebuild, message) => {
    expect(problems(rebuild)).toEqual([expect.stringMatching(message)]);
  });
});

describe("a commit in a flake's URI", () => {
  it.each([
    [`github:you/hosts/${rev}`, rev],
    [`github:you/hosts/${rev}#web-1`, rev],
    [`github:you/hosts?ref=main&rev=${rev}#web-1`, rev],
    [`git+file:///srv/hosts?rev=${rev}`, rev],
    ["github:you/hosts", undefined],
    ["github:you/hosts/main", undefined],
    [`github:you/hosts/${rev}0`, undefined],
    [`git+file:///srv/hosts?rev=${rev.slice(1)}`, undefined],
    [`git+file:///srv/hosts?prev=${rev}`, undefined],
  ])("%s is %s", (flake, wanted) => {
    expect(revisionOf(flake)).toBe(wanted);
  });

  it("has to be there for a running host", () => {
    expect(() => commitOf({ host }, "path:/srv/hosts#web-1")).toThrow(
      /is not pinned to a commit, and a running host accepts only commits/,
    );
  });
});

describe("one commit for many hosts", () => {
  it("is that of the first look, however the branch moves on", async () => {
    const folder = temporaryFolder();
    const git = (...args: string[]) =>
      execa("git", ["-C", folder, "-c", "user.name=t", "-c", "user.email=t@example.invalid", ...args]);
    await git("init", "--quiet", "--initial-branch=main");
    await git("commit", "--quiet", "--allow-empty", "-m", "first");
    const first = (await git("rev-parse", "HEAD")).stdout;
    const layout = project({ stackFile: `${stackFile}  clawdlets:flake: git+file://${folder}?ref=main\n` });
    const flakeOf = commitsOnce(layout, {});
    const halves = loadHost(layout, host, {});
    expect(revisionOf(await flakeOf(halves))).toBe(first);
    await git("commit", "--quiet", "--allow-empty", "-m", "second");
    expect(revisionOf(await flakeOf(halves))).toBe(first);
    expect(revisionOf(await commitsOnce(layout, {})(halves))).not.toBe(first);
  });
});

describe("ciphertext", () => {
  it("is named by names and content, in whatever order, and by nothing that says what it is", () => {
    const digest = ciphertextDigest({ a: "1", b: "2" });
    expect(digest).toMatch(/^[0-9a-f]{64}$/);
    expect(ciphertextDigest({ b: "2", a: "1" })).toBe(digest);
    for (const changed of [
      { a: "1" },
      { a: "1", b: "3" },
      { a: "1", c: "2" },
      { a: "2", b: "1" },
      { a: '1","b', b: "2" },
    ]) {
      expect(ciphertextDigest(changed)).not.toBe(digest);
    }
  });
});

describe("what a commit would give", () => {
  const flake = `git+file:///srv/hosts?rev=${other}#web-1`;
  const path = `/nix/store/${"a".repeat(32)}-nixos-system-web-1-26.05`;
  /** A nix that says what it is told to say, and writes down how it was asked. */
  function nix(script: string): string {
    const file = join(temporaryFolder(), "nix");
    writeFileSync(file, `#!/bin/sh\n${script}\n`);
    chmodSync(file, 0o755);
    return file;
  }
  const evaluated = (script: string, githubToken?: string) => evaluateSystem(flake, { nix: nix(script), githubToken });

  it("is evaluated purely, and not built", async () => {
    const asked =
      'for each; do case $each in *outPath) ok=1 ;; build|--impure) exit 9 ;; esac; done; [ "$ok" = 1 ] || exit 8';
    expect(await evaluated(`${asked}; printf %s ${path}`)).toBe(path);
  });

  it("is asked with the token of GitHub in a private file, which is gone afterwards", async () => {
    const token = "github_pat_canary0123456789";
    const named = join(temporaryFolder(), "named");
    const script = `case "$*" in *canary*) exit 9 ;; esac; env | grep -q canary && exit 7; f="\${NIX_CONFIG#include }"; [ "$(cat "$f")" = "access-tokens = github.com=${token}" ] && [ "$(stat -c %a "$f")" = 600 ] || exit 8; echo "$f" > ${named}; printf %s ${path}`;
    expect(await evaluated(script, token)).toBe(path);
    expect(existsSync(readFileSync(named, "utf8").trim())).toBe(false);
  });

  it("is not known without nix", async () => {
    expect(await evaluateSystem(flake, { nix: "/nowhere/nix", githubToken: undefined })).toBeUndefined();
  });

  it.each([
    ["nix's own reason", 'echo "error: attribute web-1 missing" >&2; exit 1', "attribute web-1 missing"],
    ["what is not a store path", "printf %s /etc/passwd", "does not evaluate here: /etc/passwd"],
  ])("is refused with %s", async (_, script, said) => {
    await expect(evaluated(script)).rejects.toThrow(said);
  });
});
