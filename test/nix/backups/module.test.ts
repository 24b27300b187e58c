import { expect, it } from "vitest";
import { parseRepository } from "../../../core/project/settings/backups.ts";
import { checkStackConfig } from "../../../core/project/settings/stack-config/check.ts";
import { describeWith } from "../../_needs.ts";
import { commandText, enough, host } from "../_host.ts";
import { evaluate, nixString } from "../_nix.ts";

const s3 = "s3:https://nbg1.your-objectstorage.com/backups/web-1";
const hostKey = `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGjTrP2PB+7IVvyoXcRhlWo8aac6mXJvuWm57bHZKIdI`;
const bots = '{ clawdlets.bots = { maren = { command = "/bin/maren"; }; idle = { backup = false; }; }; }';
const backups = (settings: string) => `{ clawdlets.backups = { ${settings} }; }`;
const table = (config: { networking: { nftables: { tables: Record<string, { content: string }> } } }) =>
  config.networking.nftables.tables["clawdlets-egress"]?.content ?? "";

/** Each with its parts, or null where it is refused. */
const urls: [string, object | null][] = [
  [s3, { kind: "s3", user: "", host: "nbg1.your-objectstorage.com", port: 443 }],
  ["s3:https://10.0.0.5:9000/b", { kind: "s3", user: "", host: "10.0.0.5", port: 9000 }],
  ["rest:https://backup.example.com:8000/web-1/", { kind: "rest", user: "", host: "backup.example.com", port: 8000 }],
  ["sftp://u1@u1.your-storagebox.de:23/web-1", { kind: "sftp", user: "u1", host: "u1.your-storagebox.de", port: 23 }],
  ["sftp://u1@u1.your-storagebox.de//home/x", { kind: "sftp", user: "u1", host: "u1.your-storagebox.de", port: 22 }],
  ["s3:https://x.example:65535/b", { kind: "s3", user: "", host: "x.example", port: 65535 }],
  ...[
    "s3:http://x.example/b",
    "s3:https://x.example/",
    "s3:https://x.example",
    "s3:https://x.example//b",
    "s3:https://x.example:65536/b",
    "s3:https://x.example:0/b",
    "s3:https://x.example:587/b",
    "s3:https://key:secret@x.example/b",
    "s3:https://x.example/b?x=1",
    "s3:https://x.example/b/../c",
    "s3:https://localhost/b",
    "s3:https://1.2.3.256/b",
    "s3:https://X.example/b",
    "s3:https://x.example/b c",
    "s3:https://x.example/b\n",
    "rest:https://u:p@x.example/b",
    "sftp://x.example/b",
    "sftp:u@x.example:/b",
    "/srv/backups",
    "",
  ].map((url): [string, null] => [url, null]),
];

describeWith({ programs: ["nix-instantiate"] }, "the module of backups", () => {
  it("reads the repository's URL as the operator's side does", async () => {
    const list = `[ ${urls.map(([url]) => nixString(url)).join(" ")} ]`;
    const inNix = (await evaluate(`map (import ./nix/modules/backups/repository.nix).parse ${list}`)) as (
      | object
      | null
    )[];
    const withoutAddress = inNix.map((found) => found && { ...found, isAddress: undefined });
    expect(withoutAddress).toEqual(urls.map(([, parts]) => parts));
    expect(urls.map(([url]) => parseRepository(url) ?? null)).toEqual(urls.map(([, parts]) => parts));
  });

  it("makes nothing of it where no repository is named", async () => {
    const { config, refused } = await host(enough, bots);
    expect(refused).toEqual([]);
    expect(Object.keys(config.systemd.services).filter((name) => name.includes("backup"))).toEqual([]);
    expect(config.users.users["clawdlets-backup"]).toBeUndefined();
    expect(table(config)).not.toContain("backup");
    expect(JSON.stringify(config.security.sudo.extraRules)).not.toContain("clawdlets-backup");
  });

  it("runs restic as a user of its own that sees one bot's folder and gets its login as files", async () => {
    const { config, refused } = await host(enough, bots, backups(`repository = "${s3}";`));
    expect(refused).toEqual([]);
    const { serviceConfig, environment } = config.systemd.services["clawdlets-backup@"];
    expect(serviceConfig).toMatchObject({
      User: "clawdlets-backup",
      CapabilityBoundingSet: "CAP_DAC_READ_SEARCH",
      AmbientCapabilities: "CAP_DAC_READ_SEARCH",
      NoNewPrivileges: true,
      ProtectSystem: "strict",
      IOSchedulingClass: "idle",
      LoadCredential: [
        "restic_password:/run/secrets/restic_password",
        "restic_s3:/run/secrets/rendered/clawdlets-backup-s3",
      ],
    });
    expect(serviceConfig.TemporaryFileSystem).toContain("/srv:ro");
    expect(serviceConfig.BindReadOnlyPaths).toContain("/srv/clawdbot/%i");
    expect(serviceConfig.InaccessiblePaths).toEqual(expect.arrayContaining(["-/var/lib", "-/etc/ssh", "-/etc/shadow"]));
    expect(environment).toMatchObject({ REPOSITORY: s3, HTTPS_PROXY: "http://127.63.0.1:3128", CHECK_SUBSET: "5%%" });
    // None that lists or checks may read anything.
    const repository = config.systemd.services["clawdlets-backup-repository@"].serviceConfig;
    expect(repository).toMatchObject({ CapabilityBoundingSet: "", AmbientCapabilities: "" });
    expect(Object.keys(config.sops.secrets)).toEqual(
      expect.arrayContaining(["restic_password", "restic_s3_access_key", "restic_s3_secret_key"]),
    );
    expect(JSON.stringify(config.security.sudo.extraRules)).toContain('clawdlets-backup \\"\\"');
    expect(config.systemd.timers["clawdlets-backup"].timerConfig).toMatchObject({
      OnCalendar: "*-*-* 03:00:00",
      RandomizedDelaySec: "1h",
      Persistent: true,
    });
  });

  it("leaves out bots that opt out, in Nix or in the stack file", async () => {
    const botsOf = async (...modules: string[]) => {
      const text = await commandText("clawdlets-backup", enough, bots, backups(`repository = "${s3}";`), ...modules);
      return /export BOTS=(.*)/.exec(text)?.[1];
    };
    expect(await botsOf()).toBe("'maren'");
    expect(await botsOf("{ clawdlets.bots.rex = { }; }")).toBe("'maren rex'");
    expect(await botsOf(backups('skip = [ "maren" ];'))).toBe("''");
  });

  it.each(["smtp-only", "proxy-allowlist", "none"])("lets it reach the repository alone, in %s", async (mode) => {
    const egress = `{ clawdlets.egress = { mode = "${mode}"; proxy.allowedDomains = [ "a.example" ]; }; }`;
    const { config } = await host(enough, bots, egress, backups('repository = "s3:https://x.example:8443/b";'));
    const etc = config.environment.etc;
    expect(etc["clawdlets/backup-proxy/filter"].text).toBe("^x\\.example:8443$\n");
    expect(etc["clawdlets/backup-proxy/tinyproxy.conf"].text).toContain("ConnectPort 8443\n");
    const rules = table(config);
    expect(rules).toContain("meta skuid $uid_30998 goto backup\n");
    expect(rules).toContain("meta skuid $uid_30997 goto backup_proxy\n");
    const chain = (name: string) => new RegExp(`chain ${name} \\{\n([^}]*(?:\\{[^}]*\\}[^}]*)*)\n\\}`).exec(rules)?.[1];
    expect(
      chain("backup")
        ?.split("\n")
        .map((line) => line.trim()),
    ).toEqual(['oifname "lo" ip daddr 127.63.0.1 tcp dport 3128 return', "goto refused_backup"]);
    const returns = chain("backup_proxy")
      ?.split("\n")
      .filter((line) => line.endsWith(" return"));
    expect(returns?.map((line) => line.trim())).toEqual([
      'oifname "lo" ct state established ct direction reply return',
      "ip daddr { 127.0.0.53 } meta l4proto { tcp, udp } th dport 53 return",
      "tcp dport 8443 return",
    ]);
  });

  it.each([
    ["an address", 'repository = "rest:https://10.0.0.5:8000/x";', "ip daddr { 10.0.0.5 } tcp dport 8000 return"],
    [
      "named addresses",
      `repository = "${s3}"; addresses = [ "10.1.0.0/16" ];`,
      "ip daddr { 10.1.0.0/16 } tcp dport 443 return",
    ],
  ])("reaches a repository at %s there and nowhere else", async (_, settings, rule) => {
    const { config, refused } = await host(enough, bots, backups(settings));
    expect(refused).toEqual([]);
    expect(table(config)).toContain(rule);
    expect(table(config)).not.toMatch(/^ +tcp dport \d+ return$/m);
  });

  it("takes an sftp repository with its host key, and a REST one whose login is in a file", async () => {
    const sftp = await host(
      enough,
      bots,
      backups(`repository = "sftp://u@x.example:23/web-1"; hostKey = "${hostKey}";`),
    );
    expect(sftp.refused).toEqual([]);
    const { LoadCredential } = sftp.config.systemd.services["clawdlets-backup@"].serviceConfig;
    expect(LoadCredential).toContain("restic_ssh_key:/run/secrets/restic_ssh_key");
    const rest = await host(enough, bots, backups('repository = "rest:https://x.example/web-1";'));
    expect(rest.config.sops.templates["clawdlets-backup-rest"].content).toBe(
      "rest:https://<SOPS:restic_rest_login:PLACEHOLDER>@x.example/web-1\n",
    );
  });

  it.each([
    ["what is not a repository", 'repository = "/srv/backups";', 'repository is "/srv/backups"; allowed: s3:https'],
    ["an sftp repository without a host key", 'repository = "sftp://u@x.example/b";', "hostKey is not an ssh host key"],
    ["an unknown bot", `repository = "${s3}"; skip = [ "marne" ];`, 'skip names ["marne"]; allowed are'],
    ["an address that is a name", `repository = "${s3}"; addresses = [ "nas" ];`, '"nas" is not allowed'],
    ["a subset that restic does not know", `repository = "${s3}"; checkSubset = "all";`, 'checkSubset is "all"'],
  ])("refuses %s", async (_, settings, message) => {
    const { refused } = await host(enough, bots, backups(settings));
    expect(refused.join("\n")).toContain(message);
  });

  it("takes from the stack file what the operator's side reads there", async () => {
    const value = { repository: s3, schedule: "hourly", keep: { daily: 30 }, skip: ["rex"], maxAgeHours: 12 };
    const where = "stacks/Pulumi.web-1.yaml";
    expect(
      checkStackConfig({ backups: value }, where).problems.filter(({ setting }) => /backups/.test(setting ?? "")),
    ).toEqual([]);
    const yaml = nixString(`config:\n  clawdlets:bots: [maren, rex]\n  clawdlets:backups: ${JSON.stringify(value)}\n`);
    const stack = `((import ./nix/lib/stacks.nix).moduleOf "web-1" ((import ./nix/lib/stacks.nix).read "x" ${yaml}))`;
    const { config, refused } = await host(
      '{ clawdlets.adminSshKeys = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGjTrP2PB+7IVvyoXcRhlWo8aac6mXJvuWm57bHZKIdI o" ]; }',
      stack,
    );
    expect(refused).toEqual([]);
    expect(config.clawdlets.backups).toMatchObject({
      schedule: "hourly",
      keep: { daily: 30, weekly: 4 },
      skip: ["rex"],
    });
  });
});
