import { describe, expect, it } from "vitest";
import { builderFailure, hostCopyFailure, unusableBuilder } from "../../../../../core/host/push/failures.ts";

const place = "ssh://nix@builder.example.com";

describe("a builder that was asked for its nix", () => {
  it.each<[string, number, string, string | undefined, RegExp]>([
    ["answers", 0, "", undefined, /^$/],
    [
      "has another key",
      255,
      "@@@ WARNING @@@\nHost key verification failed.\n",
      "builder-key",
      /different ssh host key/,
    ],
    [
      "has no key of the pinned kind",
      255,
      "Unable to negotiate with 192.0.2.1 port 22: no matching host key type found.",
      "builder-key",
      /different ssh host key/,
    ],
    ["refuses the login", 255, "nix@b: Permission denied (publickey).", "builder-unreachable", /refuses your ssh key/],
    ["is silent", 255, "", "builder-unreachable", /cannot reach ssh:\S+: ssh timed out\. Nothing/],
    [
      "has no such name",
      255,
      "ssh: Could not resolve hostname b: Name or service not known",
      "builder-unreachable",
      /resolve/,
    ],
    ["has no nix", 127, "bash: line 1: nix-daemon: command not found", "builder-unsuitable", /has no nix-daemon/],
    [
      "has a broken nix",
      1,
      "error: canary\u001b[31m",
      "builder-unsuitable",
      /does not run on ssh:\S+: error: canary[ -~…]*$/,
    ],
  ])("and %s", (_, exitCode, stderr, code, problem) => {
    const found = unusableBuilder(place, { exitCode, stdout: "", stderr });
    expect(found?.code).toBe(code);
    expect(found?.problem ?? "").toMatch(problem);
  });
});

describe("a failure between this machine and a builder", () => {
  it.each<["send" | "build" | "fetch", string, string, RegExp]>([
    [
      "send",
      "error: writing to file: No space left on device",
      "disk-full",
      /could not be sent what to build: the disk of ssh/,
    ],
    ["build", "error: committing transaction: database or disk is full", "disk-full", /the disk of ssh:\S+ is full/],
    ["fetch", "error: writing to file: No space left on device", "disk-full", /this machine's disk is too full/],
    [
      "build",
      "error: a 'x86_64-linux' with features {kvm} is required to build '/nix/store/x.drv', but I am a 'aarch64-linux'",
      "builder-unsuitable",
      /cannot build for x86_64-linux with kvm\./,
    ],
    // As nix 2.34 words it (test/fixtures/nix).
    [
      "build",
      "error: Cannot build '/nix/store/x.drv'.\n Reason: platform mismatch\n Required system: 'x86_64-linux'",
      "builder-unsuitable",
      /cannot build for x86_64-linux\./,
    ],
    ["build", "error: unexpected end-of-file", "builder-failed", /lost contact with ssh/],
    ["send", "client_loop: send disconnect: Broken pipe\nerror: x", "builder-failed", /lost contact with ssh/],
    ["build", "Timeout, server b not responding.", "builder-failed", /lost contact with ssh/],
    ["build", "error: builder for '/nix/store/x.drv' failed with exit code 1", "builder-failed", /exit code 1/],
  ])("in %s: %s", (step, stderr, code, problem) => {
    const found = builderFailure(place, step, { stderr });
    expect(found.code).toBe(code);
    expect(found.problem).toMatch(problem);
    expect(found.problem).toMatch(/Nothing was changed on the host\.$/);
  });

  it("names the time limit", () => {
    const found = builderFailure(place, "build", { stderr: "error: interrupted by the user", limit: 3600 });
    expect(found.problem).toContain("it took more than 3600 s");
  });

  it("shows neither tokens nor escapes of what nix printed", () => {
    const stderr =
      "error: fetching https://x:ghp_canary0123456789canary0123456789@x.example\u001b]0;canary-title\u0007";
    const { problem } = builderFailure(place, "build", { stderr });
    expect(problem).not.toContain("ghp_canary");
    expect(problem).not.toContain("\u001b");
  });
});

describe("a copy to a host", () => {
  it.each<[string, { stderr: string; limit?: number }, string, RegExp]>([
    [
      "its disk",
      { stderr: "error: database or disk is full (in '/nix/var/nix/db/db.sqlite')" },
      "disk-full",
      /its disk is full/,
    ],
    [
      "the signature",
      { stderr: "error: cannot add path 'x' because it lacks a valid signature" },
      "failed",
      /refuses the sig/,
    ],
    ["the line", { stderr: "error: unexpected end-of-file" }, "failed", /lost contact/],
    ["the time", { stderr: "", limit: 3600 }, "failed", /more than 3600 s/],
    ["anything else", { stderr: "error: something else" }, "failed", /error: something else/],
  ])("ends because of %s", (_, failed, code, problem) => {
    const found = hostCopyFailure("web-1", "/nix/store/x", failed);
    expect(found.code).toBe(code);
    expect(found.problem).toMatch(problem);
    expect(found.problem).toMatch(/Nothing was changed\.$/);
    expect(found.fix).toMatch(/\S/);
  });
});
