import { chmodSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { SettingsError } from "../../../../../core/base/errors.ts";
import { problemSentence } from "../../../../../core/base/problem.ts";
import { loadHost, readLocal } from "../../../../../core/project/settings/host.ts";
import { project, stackFile, token, upstreamStack } from "../../../../_project.ts";

const host = "clawdbot-fleet-host";

/** The messages of everything that is wrong, or none. */
function problemsOf(layout: Parameters<typeof loadHost>[0], name = host, environment = {}): string[] {
  try {
    loadHost(layout, name, environment);
    return [];
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    return [...error.details];
  }
}

const withHost = (change: object) => ({
  ...upstreamStack,
  hosts: { [host]: { ...upstreamStack.hosts[host], ...change } },
});
const withSetting = (line: string) => `${stackFile}  ${line}\n`;

describe("the settings of a host", () => {
  it("reads upstream's own example of schema version 3 unchanged", () => {
    const { settings, local } = loadHost(project(), host, { HOME: "/home/me" });
    expect(settings).toMatchObject({
      host,
      flakeHost: host,
      serverType: "cx43",
      location: "nbg1",
      sshExposure: "tailnet",
      protect: true,
    });
    expect(local).toMatchObject({
      adminCidrs: ["203.0.113.10/32"],
      sshPubkeyFile: "/home/me/.ssh/id_ed25519.pub",
      remoteSecretsDir: "/var/lib/clawdlets/secrets/hosts/clawdbot-fleet-host",
      token,
      endpoint: "https://api.hetzner.cloud/v1",
      sshPort: 22,
    });
  });

  it("prefers a token in the environment to the one in the file", () => {
    expect(loadHost(project(), host, { HCLOUD_TOKEN: "b".repeat(64) }).local.token).toBe("b".repeat(64));
  });

  it.each<[string, Parameters<typeof project>[0], string]>([
    ["no .clawdlets/stack.json", { stack: null }, ".clawdlets/stack.json: there is no such file"],
    ["JSON that is invalid", { stack: "{" }, "not JSON"],
    ["an older schema", { stack: { ...upstreamStack, schemaVersion: 2 } }, "schemaVersion: is 2; allowed: 3"],
    [
      "an unknown key",
      { stack: withHost({ flakeHots: "x" }) },
      `hosts.${host}.flakeHots: unknown setting (did you mean "flakeHost"?)`,
    ],
    ["no host", { stack: { ...upstreamStack, hosts: {} } }, "allowed: at least one host"],
    [
      "a CIDR that is invalid",
      { stack: withHost({ opentofu: { adminCidr: "home", sshPubkeyFile: "k" } }) },
      '"home" is not a network',
    ],
    [
      "a CIDR off its network address",
      { stack: withHost({ opentofu: { adminCidr: "203.0.113.10/24", sshPubkeyFile: "k" } }) },
      "write 203.0.113.0/24",
    ],
    [
      "the whole internet",
      { stack: withHost({ opentofu: { adminCidr: "0.0.0.0/0", sshPubkeyFile: "k" } }) },
      "covers all of IPv4",
    ],
    [
      "more than a /8",
      { stack: withHost({ opentofu: { adminCidr: "16.0.0.0/7", sshPubkeyFile: "k" } }) },
      "it covers 0.7 % of IPv4 (allowed: up to a /8 in all); use your own address",
    ],
    [
      "two types for one host",
      { stack: withHost({ hetzner: { serverType: "cx53" } }) },
      'is "cx53", but clawdlets:serverType',
    ],
    ["no token", { env: "" }, ".clawdlets/.env: HCLOUD_TOKEN: missing"],
    ["a short token", { env: `HCLOUD_TOKEN=${"a".repeat(63)}` }, "has 63 characters; allowed: 64"],
    ["a long token", { env: `HCLOUD_TOKEN=${"a".repeat(65)}` }, "has 65 characters; allowed: 64"],
    [
      "an unknown variable",
      { env: `HCLOUD_TOKEN=${token}\nHCLOUD_TOKN=x` },
      'HCLOUD_TOKN: unknown variable (did you mean "HCLOUD_TOKEN"?)',
    ],
    ["a port that is invalid", { env: `HCLOUD_TOKEN=${token}\nCLAWDLETS_SSH_PORT=65536` }, "allowed: 1 to 65535"],
    [
      "a port in hexadecimal",
      { env: `HCLOUD_TOKEN=${token}\nCLAWDLETS_SSH_PORT=0x16` },
      'is "0x16"; allowed: 1 to 65535',
    ],
    ["a port with an exponent", { env: `HCLOUD_TOKEN=${token}\nCLAWDLETS_SSH_PORT=2.2e1` }, "allowed: 1 to 65535"],
    [
      "an endpoint that is invalid",
      { env: `HCLOUD_TOKEN=${token}\nHCLOUD_ENDPOINT=localhost` },
      "allowed: an https URL without query, or http on this machine",
    ],
    [
      "no stack file",
      { stackFile: null },
      `stacks/Pulumi.${host}.yaml: there is no such file. Create it: clawdlets init --host ${host}`,
    ],
    ["YAML that is invalid", { stackFile: "config: [" }, "not YAML"],
    [
      "a type in capital letters",
      { stackFile: stackFile.replace("cx43", "CX43"), stack: withHost({ hetzner: { serverType: "CX43" } }) },
      "allowed: a Hetzner server type",
    ],
    [
      "an unknown setting",
      { stackFile: withSetting("clawdlets:serverTyp: cx43") },
      'clawdlets:serverTyp: unknown setting (did you mean "serverType"?)',
    ],
    [
      "an exposure that is invalid",
      { stackFile: withSetting("clawdlets:sshExposure: open") },
      'clawdlets:sshExposure: is "open"; allowed: "tailnet", "public" or "bootstrap"',
    ],
    [
      "a location that is invalid",
      { stackFile: withSetting("clawdlets:location: Nuremberg") },
      "allowed: a Hetzner location",
    ],
    [
      "a control server that is asked in the clear",
      { stackFile: withSetting("clawdlets:tailnetLoginServer: http://headscale.example.com") },
      'clawdlets:tailnetLoginServer: is "http://headscale.example.com"; allowed: an https URL',
    ],
    [
      "a headscale without its address",
      { stackFile: withSetting("clawdlets:tailnet: headscale") },
      'clawdlets:tailnetLoginServer: missing; clawdlets:tailnet is "headscale", which needs the address of your control server',
    ],
    [
      "a tailnet that is none of them",
      { stackFile: withSetting("clawdlets:tailnet: wireguard") },
      'clawdlets:tailnet: is "wireguard"; allowed: "tailscale", "headscale" or "none"',
    ],
    [
      "a tag that is an option",
      { stackFile: withSetting('clawdlets:tailnetTags: ["--ssh"]') },
      'clawdlets:tailnetTags.0: is "--ssh"; allowed: tag: and a name',
    ],
    [
      "a tag that headscale refuses",
      {
        stackFile: withSetting(
          "clawdlets:tailnet: headscale\n  clawdlets:tailnetLoginServer: https://h.example\n  clawdlets:tailnetTags: [tag:a, tag:Bots]",
        ),
      },
      'clawdlets:tailnetTags.1: is "tag:Bots"; allowed with headscale: lowercase, tag:bots.',
    ],
    ["a negative count", { stackFile: withSetting("clawdlets:reinstall: -1") }, "allowed: 0, 1, 2"],
    ["no recipient", { stackFile: stackFile.replace(/.*ageRecipient.*\n/, "") }, "clawdlets:ageRecipient: missing"],
  ])("refuses %s and says what is allowed", (_, files, message) => {
    expect(problemsOf(project(files)).join("\n")).toContain(message);
  });

  it.each(["Web", "1web", "web_1", "web.1", "", "a".repeat(64), "../x"])("refuses the host name %j", (name) => {
    expect(problemsOf(project(), name).join("\n")).toContain("is not a host name");
  });

  it.each(["a", "web-1", "a".repeat(63)])("takes the host name %j", (name) => {
    expect(problemsOf(project(), name).join("\n")).not.toContain("is not a host name");
  });

  it("refuses this machine's own network as the admin's, but for an emulated Hetzner", () => {
    const [entry] = Object.values(upstreamStack.hosts);
    const local = withHost({ opentofu: { ...entry?.opentofu, adminCidr: "127.0.0.1/32" } });
    expect(problemsOf(project({ stack: local })).join("\n")).toContain(
      `hosts.${host}.opentofu.adminCidr: "127.0.0.1/32" is this machine's own network, so it cannot reach a server`,
    );
    const env = `HCLOUD_TOKEN=${token}\nHCLOUD_ENDPOINT=http://127.0.0.1:9/v1\n`;
    expect(problemsOf(project({ stack: local, env }))).toEqual([]);
  });

  it("blames the environment, and not the file, for a token that stands there", () => {
    for (const wrong of ["abc", "b".repeat(63)]) {
      const [problem, ...more] = readLocal(project(), host, { HCLOUD_TOKEN: wrong }).problems;
      expect(more).toEqual([]);
      expect(problem).toMatchObject({ subject: "the environment", setting: "HCLOUD_TOKEN" });
      expect(problem && problemSentence(problem)).toMatch(
        /has \d+ characters.*It overrides \.clawdlets\/\.env: unset HCLOUD_TOKEN/,
      );
    }
    expect(readLocal(project({ env: "HCLOUD_TOKEN=abc" }), host, {}).problems[0]?.subject).toBe(".clawdlets/.env");
    expect(readLocal(project({ env: "HCLOUD_TOKEN=abc" }), host, { HCLOUD_TOKEN: " " }).problems[0]?.subject).toBe(
      ".clawdlets/.env",
    );
  });

  it("never shows a token that has the wrong shape", () => {
    expect(problemsOf(project({ env: "HCLOUD_TOKEN=secretsecret" })).join("\n")).not.toContain("secretsecret");
  });

  it.each(["HCLOUD_ENDPOINT", "CLAWDLETS_SSH_PORT"])("never shows a token that was put into %s", (key) => {
    const found = problemsOf(project({ env: `HCLOUD_TOKEN=${token}\n${key}=${token}` })).join("\n");
    expect(found).toContain(key);
    expect(found).not.toContain("aaaa");
  });

  it("finds ~ where HOME is empty too", () => {
    expect(loadHost(project(), host, { HOME: "" }).local.sshPubkeyFile).toBe(join(homedir(), ".ssh/id_ed25519.pub"));
  });

  it("names everything that is wrong at once", () => {
    const layout = project({
      env: "",
      stackFile: withSetting("clawdlets:location: Nuremberg"),
      stack: withHost({ flakeHots: "x" }),
    });
    expect(problemsOf(layout)).toHaveLength(3);
    expect(problemsOf(project({ env: "", stackFile: withSetting("clawdlets:location: Nuremberg") }))).toHaveLength(2);
  });

  it("refuses a token file that others can read, and says how to fix it", () => {
    const layout = project();
    chmodSync(join(layout.dir, ".env"), 0o644);
    expect(() => loadHost(layout, host, {})).toThrow(/mode 0644: others on this machine can read it. Fix: chmod 600/);
  });
});
