import { describe, expect, it } from "vitest";
import { parseBuilder } from "../../../../../core/project/settings/builder.ts";
import { checkStackConfig } from "../../../../../core/project/settings/stack-config/check.ts";

const builderKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGjTrP2PB+7IVvyoXcRhlWo8aac6mXJvuWm57bHZKIdI";
const problemsOf = (rebuild: unknown) =>
  checkStackConfig({ rebuild }, "f").problems.filter(({ setting }) => setting?.startsWith("clawdlets:rebuild"));

describe("a builder", () => {
  const label = "a".repeat(63);
  it.each([
    ["ssh://builder", undefined, "builder", 22],
    ["ssh://nix@builder.example.com", "nix", "builder.example.com", 22],
    ["ssh://nix.build_er-1@100.64.0.7:2222", "nix.build_er-1", "100.64.0.7", 2222],
    ["ssh://root@[fd7a::1]:65535", "root", "fd7a::1", 65_535],
    [`ssh://${label}.example:1`, undefined, `${label}.example`, 1],
  ])("is read from %s", (url, user, address, port) => {
    expect(parseBuilder(url)).toEqual({ url, user, address, port });
    expect(problemsOf({ buildOn: url, builderKey })).toEqual([]);
  });

  it.each([
    "ssh://",
    "ssh://nix@",
    "ssh://builder:0",
    "ssh://builder:65536",
    "ssh://builder:",
    "ssh://builder/",
    "ssh://builder?remote-program=sh",
    "ssh://-oProxyCommand=sh",
    "ssh://-l@builder",
    "ssh://nix@-builder",
    "ssh://a@b@builder",
    "ssh://nix:canary-0123456789@builder",
    "ssh://$(id)@builder",
    "ssh://builder\nHost *",
    "ssh://[::1",
    "ssh://[::1]x",
    `ssh://${label}a`,
    "ssh-ng://builder",
    "builder",
    "remote",
    "",
  ])("is not %j", (url) => {
    expect(parseBuilder(url)).toBeUndefined();
    const [problem, ...more] = problemsOf({ buildOn: url, builderKey });
    expect(more).toEqual([]);
    expect(problem?.setting).toBe("clawdlets:rebuild.buildOn");
    expect(problem?.problem).not.toContain("canary");
  });

  it.each(["host", "local"])("is not needed for %s, nor its key", (buildOn) => {
    expect(problemsOf({ buildOn })).toEqual([]);
  });

  it.each([
    [undefined, /required with a builder; no key is trusted on first use/],
    ["ssh-ed25519", /allowed: the builder's Ed25519 host key/],
    [`${builderKey}A`, /allowed/],
    [builderKey.slice(0, -1), /allowed/],
    ["ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQC7", /allowed/],
    [`${builderKey} builder\n* ${builderKey}`, /allowed/],
    [`@cert-authority ${builderKey}`, /allowed/],
  ])("has to come with its key, and %j is not one", (key, message) => {
    expect(problemsOf({ buildOn: "ssh://builder", builderKey: key })).toEqual([
      expect.objectContaining({
        setting: "clawdlets:rebuild.builderKey",
        problem: expect.stringMatching(message),
      }),
    ]);
  });

  it.each([
    [{ source: "send" }, undefined],
    [{ source: "fetch", buildOn: "local" }, undefined],
    [{ source: "push" }, 'is "push"; allowed: "fetch" or "send"'],
    [{ source: "send", buildOn: "local" }, 'is "send", but only a host that builds needs the source'],
    [
      { source: "send", buildOn: "ssh://builder", builderKey },
      'is "send", but only a host that builds needs the source',
    ],
  ])("the source of %j: %j", (rebuild, problem) => {
    const expected = { setting: "clawdlets:rebuild.source", problem: expect.stringContaining(problem ?? "") };
    expect(problemsOf(rebuild)).toEqual(problem === undefined ? [] : [expect.objectContaining(expected)]);
  });
});
