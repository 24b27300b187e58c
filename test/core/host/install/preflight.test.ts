import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { checkAdmin, checkFlake, checkTailnet } from "../../../../core/host/install/preflight.ts";
import { layoutOf } from "../../../../core/project/layout.ts";
import type { HostSettings, LocalSettings } from "../../../../core/project/settings/host.ts";

const folder = mkdtempSync(join(tmpdir(), "clawdlets-preflight-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function check(status: object, tailnet: "tailscale" | "none" = "tailscale") {
  const tailscale = join(folder, "tailscale");
  writeFileSync(tailscale, `#!/bin/sh\necho '${JSON.stringify(status)}'\n`, { mode: 0o700 });
  return checkTailnet({
    settings: { tailnet },
    local: { tailscale, endpoint: "https://api.hetzner.cloud/v1", token: "" },
  });
}

describe("before a server is bought, this machine's tailscale", () => {
  it.each(["Stopped", "NeedsLogin", "NoState"])("is refused in the state %s", async (BackendState) => {
    expect(await check({ BackendState })).toEqual([
      expect.objectContaining({ code: "tailnet-client", subject: "this machine", setting: "tailscale" }),
    ]);
  });

  it("is refused with an expired key, and not with one that still works", async () => {
    const expired = { BackendState: "NeedsLogin", Self: { KeyExpiry: "2020-01-01T00:00:00Z" } };
    expect(await check(expired)).toMatchObject([{ problem: "this machine's tailnet key expired on 2020-01-01." }]);
    const soon = new Date(Date.now() + 24 * 60 * 60 * 1000).toISOString();
    expect(await check({ BackendState: "Running", Self: { KeyExpiry: soon } })).toEqual([]);
  });

  it("does not matter to a host without a tailnet", async () => {
    expect(await check({ BackendState: "Stopped" }, "none")).toEqual([]);
  });

  it("is refused where it is not installed", async () => {
    const local = { tailscale: "/nowhere/tailscale", endpoint: "https://api.hetzner.cloud/v1", token: "" };
    expect(await checkTailnet({ settings: { tailnet: "tailscale" }, local })).toMatchObject([
      { code: "program-missing", setting: "tailscale" },
    ]);
  });
});

describe("before a server is bought, the admin network", () => {
  it.each<[string, boolean, string | undefined]>([
    ["198.18.7.0/24", true, undefined],
    ["198.18.7.9/32", true, undefined],
    ["2a01:4f8:1:2::/64", false, undefined],
    ["::1/128", false, undefined],
    ["2a01:4f8:1:2::/64", true, "is the IPv6 network 2a01:4f8:1:2::/64, but web-1 is installed at its public IPv4"],
    ["::1/128", true, "is the IPv6 network ::1/128, but web-1"],
    ["192.0.2.7/32", true, '"192.0.2.7/32" '],
  ])("%s of a host whose IPv4 is %s: %s", (cidr, ipv4Enabled, problem) => {
    const local = { adminCidrs: [cidr], endpoint: "https://api.hetzner.cloud/v1" };
    expect(checkAdmin({ settings: { host: "web-1", ipv4Enabled }, local })).toEqual(
      problem === undefined
        ? []
        : [
            expect.objectContaining({
              subject: ".clawdlets/stack.json",
              setting: "hosts.web-1.opentofu.adminCidr",
              problem: expect.stringContaining(problem),
            }),
          ],
    );
  });
});

describe("before a server is bought, the flake", () => {
  const rev = "0123456789abcdef0123456789abcdef01234567";
  const program = (name: string, text: string) => {
    const file = join(mkdtempSync(join(folder, "programs-")), name);
    writeFileSync(file, `#!/bin/sh\n${text}\n`, { mode: 0o700 });
    return file;
  };
  const usesNix = "exec nix --extra-experimental-features nix-command build";
  const settings = {
    install: { mode: "full" },
    host: "web-1",
    flake: `github:acme/fleet/${rev}`,
    flakeHost: "web-1",
    serverType: "cx43",
  } as HostSettings;
  /** A nix of this version that answers an evaluation by the text. */
  function found(answer: string, version = "nix (Nix) 2.26.3", installer = usesNix, serverType = "cx43") {
    const asked = 'case "$*" in *"eval --raw"*) ;; *) exit 9 ;; esac';
    const nix = program("nix", `[ "$1" = --version ] && { echo "${version}"; exit; }\n${asked}\n${answer}`);
    const local = { nix, nixosAnywhere: program("nixos-anywhere", installer), wanted: {} } as LocalSettings;
    return checkFlake({ layout: layoutOf(folder), settings: { ...settings, serverType }, local });
  }
  const failing = "echo \"error: attribute 'bots' missing\" >&2; exit 1";

  it("is refused if it does not evaluate, with what is wrong in it and how to see more", async () => {
    const [problem, ...more] = await found(failing);
    expect(more).toEqual([]);
    expect(problem).toMatchObject({ code: "flake-invalid", setting: "clawdlets:flake" });
    expect(problem?.problem).toBe('the flake uses "bots", which does not exist.');
    expect(problem?.fix).toContain("Commit the fix, then run clawdlets up again.");
    const [unknown] = await found("echo 'error: something new' >&2; exit 1");
    expect(unknown?.fix).toContain(`nix eval --raw 'github:acme/fleet/${rev}#nixosConfigurations."web-1"`);
  });

  it("is accepted if it evaluates, or builds while it does", async () => {
    expect(await found(`printf %s /nix/store/${"a".repeat(32)}-nixos-system-web-1`)).toEqual([]);
    expect(await found("echo \"error: the option 'allow-import-from-derivation' is disabled\" >&2; exit 1")).toEqual(
      [],
    );
  });

  it.each<[string, string, string | undefined]>([
    ["cx43", "x86_64-linux", undefined],
    ["cax21", "aarch64-linux", undefined],
    ["cax21", "x86_64-linux", "builds x86_64-linux, but the server type needs aarch64-linux."],
    ["cx43", "aarch64-linux", "builds aarch64-linux, but the server type needs x86_64-linux."],
    ["cx43", "something else", undefined],
  ])("for a %s that builds %s has the problem %j", async (serverType, system, problem) => {
    const path = `/nix/store/${"a".repeat(32)}-nixos-system-web-1`;
    const answer = `case "$*" in *toplevel.system) printf %s "${system}" ;; *) printf %s ${path} ;; esac`;
    const problems = await found(answer, undefined, usesNix, serverType);
    expect(problems.map((each) => each.problem)).toEqual(problem === undefined ? [] : [problem]);
    if (problem !== undefined) expect(problems[0]).toMatchObject({ code: "flake-invalid", setting: "clawdlets:flake" });
  });

  it("is not evaluated by a nix that is too old for nixos-anywhere, or for an installer without nix", async () => {
    expect(await found(failing, "nix (Nix) 2.8.0")).toEqual([]);
    expect(await found(failing, "nix (Nix) 2.26.3", "exec true")).toEqual([]);
  });
});
