import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { SettingsError } from "../../../../../core/base/errors.ts";
import { importUpstream } from "../../../../../core/tasks/import-upstream/import.ts";
import { readUpstream } from "../../../../../core/tasks/import-upstream/read.ts";
import type { Row } from "../../../../../core/tasks/import-upstream/rows.ts";
import { publicKey, temporaryFolder, token } from "../../../../_project.ts";

const host = "clawdbot-fleet-host";
const off = { codex: { enable: false, bots: [] }, backups: { restic: { enable: false, repository: "" } } };

/** The settings and values of upstream's own infra/configs/clawdlets.json at b49d4af. */
const first = {
  schemaVersion: 2,
  fleet: { guildId: "", bots: ["maren", "sonja", "gunnar", "melinda"], botOverrides: {}, routingOverrides: {}, ...off },
  hosts: {
    [host]: {
      enable: false,
      diskDevice: "/dev/disk/by-id/CHANGE_ME",
      sshAuthorizedKeys: [],
      publicSsh: { enable: false },
      provisioning: { enable: false },
      tailnet: { mode: "tailscale" },
      agentModelPrimary: "zai/glm-4.7",
    },
  },
};

/** Those of its templates/default/fleet/clawdlets.json at 69286a2. */
const last = {
  schemaVersion: 12,
  defaultHost: host,
  baseFlake: "",
  fleet: {
    secretEnv: {},
    secretFiles: {},
    sshAuthorizedKeys: [],
    sshKnownHosts: [],
    botOrder: ["agent"],
    bots: { agent: { profile: { secretEnv: {}, secretFiles: {} }, clawdbot: { channels: {} } } },
    ...off,
  },
  cattle: { enabled: false, hetzner: { image: "", serverType: "cx22", location: "nbg1", maxInstances: 10 } },
  hosts: {
    [host]: {
      enable: false,
      diskDevice: "/dev/sda",
      flakeHost: "",
      hetzner: { serverType: "cx22" },
      provisioning: { adminCidr: "", adminCidrAllowWorldOpen: false, sshPubkeyFile: "~/.ssh/id_ed25519.pub" },
      cache: {
        substituters: ["https://cache.nixos.org", "https://cache.garnix.io"],
        trustedPublicKeys: ["cache.nixos.org-1:x=", "cache.garnix.io:CTFPyKSLcx5RMJKfLo5EEPUObbA78b0YQ2DTCJXqr9g="],
        netrc: { enable: false, secretName: "garnix_netrc" },
      },
      operator: { deploy: { enable: false } },
      sshExposure: { mode: "bootstrap" },
      tailnet: { mode: "none" },
    },
  },
};

/** An upstream project with these files. */
function upstream(files: Record<string, unknown>): string {
  const root = temporaryFolder();
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), typeof content === "string" ? content : JSON.stringify(content));
  }
  return root;
}
const imported = (files: Record<string, unknown>) => importUpstream(readUpstream(upstream(files)));
const of = (config: unknown) => imported({ "fleet/clawdlets.json": config });
const short = (rows: readonly Row[]) =>
  rows.map(({ setting, to }) => (to === undefined ? setting : `${setting} -> ${to}`));
const withHost = (settings: object, fleet: object = {}) =>
  of({ schemaVersion: 12, fleet, hosts: { "web-1": settings } });

describe("what upstream ships as an example", () => {
  it("at b49d4af becomes a stack, and a folder of each bot with the documents", () => {
    const { hosts, carried, renamed, byHand, missing, unset, files } = imported({
      "infra/configs/clawdlets.json": first,
      "infra/documents/SOUL.md": "calm",
    });
    expect(Object.fromEntries(hosts)).toEqual({ [host]: { tailnet: "tailscale", bots: first.fleet.bots } });
    expect(short(carried)).toEqual(["fleet.bots -> clawdlets:bots", "fleet.documentsDir: SOUL.md -> bots/*/workspace"]);
    expect(short(renamed)).toEqual([
      `hosts.${host}.tailnet.mode -> clawdlets:tailnet`,
      `hosts.${host}.agentModelPrimary -> agents.defaults.model.primary`,
    ]);
    expect(byHand).toEqual([]);
    expect(short(missing)).toEqual([`hosts.${host}.diskDevice`, "tools"]);
    const folders = first.fleet.bots.flatMap((bot) => [`bots/${bot}/openclaw.json`, `bots/${bot}/workspace/SOUL.md`]);
    expect([unset, [...files.keys()].sort()]).toEqual([6, folders.sort()]);
    expect(files.get("bots/maren/openclaw.json")).toContain('"primary": "zai/glm-4.7"');
  });

  it("at 69286a2 becomes a stack, and Nix for its cache", () => {
    const { hosts, carried, renamed, byHand, missing, files } = imported({
      "fleet/clawdlets.json": last,
      "fleet/workspaces/common/AGENTS.md": "all",
      "fleet/workspaces/bots/README.md": "not a bot's",
    });
    const install = { disk: "/dev/sda" };
    expect(hosts.get(host)).toEqual({
      install,
      serverType: "cx22",
      sshExposure: "bootstrap",
      tailnet: "none",
      bots: ["agent"],
    });
    expect(short(carried)).toEqual([
      `hosts.${host}.hetzner.serverType -> clawdlets:serverType`,
      "fleet.bots -> clawdlets:bots",
      "fleet.bots.agent.clawdbot -> bots/agent/openclaw.json",
      "fleet.documentsDir: common/AGENTS.md -> bots/*/workspace",
    ]);
    expect(short(renamed).map((each) => each.replace(`hosts.${host}.`, ""))).toEqual([
      "diskDevice -> clawdlets:install",
      "cache.substituters -> nix.settings.substituters",
      "cache.trustedPublicKeys -> nix.settings.trusted-public-keys",
      "sshExposure.mode -> clawdlets:sshExposure",
      "tailnet.mode -> clawdlets:tailnet",
    ]);
    expect(renamed.find(({ to }) => to === "clawdlets:sshExposure")?.note).toContain("TCP/22 open");
    expect(short(byHand)).toEqual([
      `hosts.${host}.provisioning.sshPubkeyFile -> clawdlets init --ssh-pubkey`,
      "defaultHost -> --host",
    ]);
    expect(short(missing)).toEqual(["tools"]);
    expect([...files.keys()].sort()).toEqual([
      "bots/agent/openclaw.json",
      "bots/agent/workspace/AGENTS.md",
      `hosts/${host}.nix`,
    ]);
    expect(files.get(`hosts/${host}.nix`)).toContain('nix.settings.substituters = [ "https://cache.garnix.io" ];');
  });

  it("has its server's type in .clawdlets/stack.json, at b49d4af", () => {
    const stack = { schemaVersion: 3, hosts: { [host]: { hetzner: { serverType: "cx43" } } } };
    const { hosts, carried } = imported({ "infra/configs/clawdlets.json": first, ".clawdlets/stack.json": stack });
    expect(hosts.get(host)?.serverType).toBe("cx43");
    expect(short(carried)[0]).toContain(".clawdlets/stack.json: hosts");
  });
});

describe("a setting of upstream's", () => {
  it.each([
    [
      "hetzner.serverType",
      { hetzner: { serverType: "CX 43" } },
      /Not carried: is "CX 43"; allowed: a Hetzner server type/,
    ],
    ["diskDevice", { diskDevice: "/dev/sda; rm -rf /" }, /Not carried/],
    ["sshAuthorizedKeys", { sshAuthorizedKeys: ["no key"] }, /Not carried/],
    ["tailnet.mode", { tailnet: { mode: "wireguard" } }, /Not carried: is "wireguard"; allowed/],
    ["selfUpdate.enable", { selfUpdate: { enable: true } }, /Hosts do not update themselves/],
    ["warpDrive", { warpDrive: 9 }, /Not known here/],
  ])("that is not allowed here is reported: %s", (setting, settings, note) => {
    const { missing, hosts } = withHost(settings);
    expect(missing).toEqual([
      expect.objectContaining({ setting: `hosts.web-1.${setting}`, note: expect.stringMatching(note) }),
    ]);
    expect(hosts.get("web-1")).toEqual({});
  });

  it("for admins is one list, of the host's keys and the fleet's", () => {
    const other = publicKey.replace("test", "other");
    const { hosts } = withHost({ sshAuthorizedKeys: [publicKey] }, { sshAuthorizedKeys: [publicKey, other] });
    expect(hosts.get("web-1")?.adminSshKeys).toEqual([publicKey, other]);
  });

  it("for the host's Nix cannot end its string", () => {
    const { files } = withHost({ cache: { substituters: ['https://x.example/"; ${builtins.abort "x"}'] } });
    expect(files.get("hosts/web-1.nix")).toContain('"https://x.example/\\"; \\${builtins.abort \\"x\\"}"');
  });

  it("of bots is in their folders, and one with a name that is too long is left out, once", () => {
    const fleet = {
      bots: ["maren", "a".repeat(28)],
      guildId: "1",
      routingOverrides: { maren: { requireMention: false, channels: ["x"] } },
      warpDrive: 9,
    };
    const { hosts, renamed, byHand, missing, files } = withHost({}, fleet);
    expect(hosts.get("web-1")?.bots).toEqual(["maren"]);
    expect(byHand).toEqual([]);
    expect(short(renamed)).toEqual([
      "fleet.guildId -> channels.discord.guilds",
      "fleet.routingOverrides.maren -> channels.discord.guilds.1",
    ]);
    expect(short(missing)).toEqual(["fleet.warpDrive", `fleet.bots.${"a".repeat(28)}`, "tools"]);
    expect([...files.keys()]).toEqual(["bots/maren/openclaw.json"]);
  });

  it("for the model is a host's there: the first one's is the bots', and another is left to a person", () => {
    const hosts = { "web-1": { agentModelPrimary: "zai/a" }, "web-2": { agentModelPrimary: "zai/b" } };
    const { renamed, byHand } = of({ schemaVersion: 2, fleet: { bots: ["maren"] }, hosts });
    expect(short(renamed)).toContain("hosts.web-1.agentModelPrimary -> agents.defaults.model.primary");
    expect(byHand).toEqual([
      expect.objectContaining({ setting: "hosts.web-2.agentModelPrimary", note: expect.stringContaining("zai/a") }),
    ]);
  });

  it("shows no token in the report", () => {
    const report = JSON.stringify(withHost({ hetzner: { serverType: token, [token]: 1 }, [token]: token }));
    expect(report).not.toContain(token);
  });
});

it.each([
  ["a host's name that is not allowed", "Web_1"],
  ["the example's", "example"],
  ["a path", "../x"],
])("leaves out a host with %s", (_, name) => {
  const { hosts, missing } = of({ schemaVersion: 2, hosts: { [name]: { tailnet: { mode: "none" } } } });
  expect([hosts.size, missing.length]).toEqual([0, 1]);
});

it("lists what a newer schema has, and says that it is newer", () => {
  const { notes, missing } = of({ schemaVersion: 99, hosts: {}, future: { x: 1 } });
  expect(notes.join()).toContain("schema 99 is newer than 12");
  expect(short(missing)).toEqual(["future.x"]);
});

it.each([
  ["nothing there", {}, "file-missing"],
  ["no JSON", { "fleet/clawdlets.json": "{" }, "invalid-syntax"],
  ["no hosts", { "fleet/clawdlets.json": { schemaVersion: 2 } }, "file-invalid"],
  ["no version", { "fleet/clawdlets.json": { hosts: {} } }, "wrong-version"],
  ["a list", { "fleet/clawdlets.json": "[]" }, "file-invalid"],
])("refuses a project with %s", (_, files, code) => {
  const refusal = () => imported(files);
  expect(refusal).toThrow(SettingsError);
  try {
    refusal();
  } catch (error) {
    expect((error as SettingsError).problems.map((problem) => problem.code)).toEqual([code]);
  }
});
