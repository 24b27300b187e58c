import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { describeWith } from "../_needs.ts";
import { repository } from "../_repository.ts";
import { adminKey, enough, host, hostRefusal } from "./_host.ts";
import { evaluate, nixString } from "./_nix.ts";

const clawdlets = (settings: string) => `{ clawdlets = { ${settings} }; }`;
const bot = (settings: string) => clawdlets(`bots.maren = { ${settings} };`);

describeWith({ programs: ["nix-instantiate"] }, "the NixOS modules", () => {
  it("make a host of few settings, without a warning", async () => {
    const { config, refused, warnings } = await host(enough);
    expect({ refused, warnings }).toEqual({ refused: [], warnings: [] });
    expect(config.networking.hostName).toBe("web-1");
    expect(config.users.mutableUsers).toBe(false);
    expect(config.services.openssh.settings.AllowUsers).toEqual(["admin"]);
    expect(config.networking.firewall.allowedTCPPorts).toEqual([]);
    expect(config.networking.firewall.interfaces.tailscale0.allowedTCPPorts).toEqual([22]);
    expect(config.services.openssh.openFirewall).toBe(false);
  });

  it("describe each option, with type, default and example", async () => {
    expect((await host(enough)).untold).toEqual([]);
  });

  it("are documented, option by option", async () => {
    const text = readFileSync(join(repository, "docs/nixos.md"), "utf8");
    const { options } = await host(enough);
    const own = options.filter((name) => name !== "bots" && !/^(egress|backups)\./.test(name));
    expect(own.length).toBeGreaterThan(25);
    expect(own.filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
    const backups = readFileSync(join(repository, "docs/backups.md"), "utf8");
    const ofBackups = options.flatMap((name) => /^backups\.(.*)/.exec(name)?.[1] ?? []);
    expect(ofBackups.length).toBeGreaterThan(10);
    expect(ofBackups.filter((name) => !backups.includes(`\`${name}\``))).toEqual([]);
  });

  it("make a host of a stack file, without any Nix", async () => {
    const file = `config:\n  clawdlets:adminSshKeys:\n    - ${adminKey}\n  clawdlets:bots: [maren]\n  clawdlets:secrets: [openai]\n`;
    const stacks = "import ./nix/lib/stacks.nix";
    const { config, refused, warnings } = await host(
      `(${stacks}).moduleOf "web-1" ((${stacks}).read "f" ${nixString(file)})`,
    );
    expect(refused).toEqual([]);
    expect(Object.keys(config.sops.secrets).sort()).toEqual([
      "admin_password_hash",
      "discord_token_maren",
      "openai",
      "tailscale_auth_key",
    ]);
    expect(warnings).toEqual([expect.stringContaining("clawdlets.bots.maren has no command")]);
    expect(config.users.users["bot-maren"].uid).toBe(45584);
  });

  it("join as the stack file says, and leave the rest to the host's own Nix", async () => {
    const file = `config:\n  clawdlets:adminSshKeys:\n    - ${adminKey}\n  clawdlets:tailnetLoginServer: https://hs.example.com\n`;
    const stacks = "import ./nix/lib/stacks.nix";
    const module = (text: string) => `(${stacks}).moduleOf "web-1" ((${stacks}).read "f" ${nixString(text)})`;
    const { config } = await host(module(file), clawdlets('tailnet.tailscale.tags = [ "tag:bot-host" ];'));
    expect(config.systemd.services["clawdlets-tailnet"].environment).toMatchObject({
      LOGIN_SERVER: "https://hs.example.com",
      TAGS: "tag:bot-host",
    });
  });

  it.each([
    ["a repository", "{repository: github:you/hosts}", "https://github.com/you/hosts", "main", "web-1"],
    ["its branch", "{repository: github:you/hosts, branch: production}", "https://github.com/you/hosts", "production"],
    ["none", "{onUp: never}", undefined],
    ["one that is turned off", "{enabled: false, repository: github:you/hosts}", undefined],
  ])("let the host be changed if its stack file names a repository: %s", async (_, setting, ...expected) => {
    const [url, branch] = expected;
    const file = `config:\n  clawdlets:adminSshKeys: ["${adminKey}"]\n  clawdlets:flakeHost: other\n  clawdlets:rebuild: ${setting}\n`;
    const stacks = "import ./nix/lib/stacks.nix";
    const module = `(${stacks}).moduleOf "web-1" ((${stacks}).read "f" ${nixString(file)})`;
    expect((await host(module)).refused).toEqual([]);
    const evaluated = `import ./test/nix/eval/host.nix { modules = [ (${module}) ]; }`;
    const texts = String(await evaluate(`map (it: it.text or "") (${evaluated}).config.environment.systemPackages`));
    const told = (name: string) => new RegExp(`${name}='?([^'\n]*)`).exec(texts)?.[1];
    expect([told("REPOSITORY"), told("REF"), told("HOST")]).toEqual([url, branch, url && "other"]);
    // hosts/<host>.nix wins.
    const own = `(${evaluated.replace("]; }", `(${clawdlets("operator.rebuild.enable = false;")}) ]; }`)})`;
    const names = await evaluate(`map (it: it.name) ${own}.config.environment.systemPackages`);
    expect(names).toContain("clawdlets-receive-secrets");
    expect(names).not.toContain("clawdlets-activate");
  });

  it("keep admin out of every group, and breakglass away from ssh", async () => {
    const { config } = await host(enough);
    expect(config.users.users.admin.extraGroups).toEqual([]);
    expect(config.users.users.admin.openssh.authorizedKeys.keys).toEqual([adminKey]);
    expect(config.users.users.breakglass.extraGroups).toEqual(["wheel"]);
    expect(config.users.users.breakglass.openssh.authorizedKeys.keys).toEqual([]);
    const password = "/run/secrets-for-users/admin_password_hash";
    expect(config.users.users.admin.hashedPasswordFile).toBe(password);
    expect(config.users.users.breakglass.hashedPasswordFile).toBe(password);
    expect(config.security.sudo.wheelNeedsPassword).toBe(true);
    expect(config.security.pam.services.su.requireWheel).toBe(true);
    expect(config.nix.settings["trusted-users"]).toEqual(["root"]);
    expect(config.nix.settings["allowed-users"]).toEqual(["@wheel"]);
  });

  it("take secrets from the host's disk with its age key alone, and put none into the store", async () => {
    const { config } = await host(enough, bot('command = "/bin/maren"; envSecrets.KEY = "openai";'));
    expect(config.sops.age).toMatchObject({
      keyFile: "/var/lib/sops-nix/key.txt",
      sshKeyPaths: [],
      generateKey: false,
    });
    expect(config.sops.gnupg.sshKeyPaths).toEqual([]);
    expect(config.sops.validateSopsFiles).toBe(false);
    const secrets = Object.entries<{ sopsFile: string; mode: string; owner: string }>(config.sops.secrets);
    expect(secrets.map(([name]) => name).sort()).toEqual([
      "admin_password_hash",
      "discord_token_maren",
      "openai",
      "tailscale_auth_key",
    ]);
    for (const [name, { sopsFile, mode, owner }] of secrets) {
      expect({ sopsFile, mode, owner }).toEqual({
        sopsFile: `/var/lib/clawdlets/secrets/hosts/web-1/${name}.yaml`,
        mode: "0400",
        owner: "root",
      });
    }
    expect(config.sops.secrets.admin_password_hash.neededForUsers).toBe(true);
  });

  it("give a bot its user, folder, credential and environment", async () => {
    const { config, refused } = await host(
      enough,
      bot(`package = (import ./test/nix/eval/pkgs.nix).hello; command = "hello --name maren"; environment.LEVEL = "info";
        envSecrets.ZAI_API_KEY = "z_ai"; resources.memoryMax = "512M"; nodeExecMem = "jitless";`),
    );
    expect(refused).toEqual([]);
    const { serviceConfig, environment, partOf, after } = config.systemd.services["clawdbot-maren"];
    expect(serviceConfig).toMatchObject({
      User: "bot-maren",
      ExecStart: expect.stringMatching(/^\/nix\/store\/.*-hello\/bin\/hello --name maren$/),
      LoadCredential: ["discord_token_maren:/run/secrets/discord_token_maren"],
      EnvironmentFile: ["/run/secrets/rendered/clawdbot-maren.env"],
      MemoryMax: "512M",
      MemoryDenyWriteExecute: true,
      ReadWritePaths: ["/srv/clawdbot/maren"],
    });
    expect(environment).toEqual({ HOME: "/srv/clawdbot/maren", LEVEL: "info", NODE_OPTIONS: "--jitless" });
    expect({ partOf, after }).toMatchObject({ partOf: ["clawdlets-secrets.target"] });
    expect(after).toContain("sops-install-secrets.service");
    expect(config.systemd.tmpfiles.rules).toContain("d /srv/clawdbot/maren 0700 bot-maren bot-maren - -");
    expect(config.sops.templates["clawdbot-maren.env"].content).toBe("ZAI_API_KEY=<SOPS:z_ai:PLACEHOLDER>\n");
  });

  it("have a unit to restart for new secrets, even where only a password is one", async () => {
    const { config } = await host(enough, `{ lib, ... }: { clawdlets.tailnet.mode = lib.mkForce "none"; }`);
    expect(Object.keys(config.sops.secrets)).toEqual(["admin_password_hash"]);
    expect(config.systemd.services["sops-install-secrets"].serviceConfig.ExecStart).toMatch(/\/bin\/true$/);
    // sops-nix makes its own for any other secret, an operator's included; two values for ExecStart would not evaluate.
    const own = `{ lib, ... }: { clawdlets.tailnet.mode = lib.mkForce "none"; sops.secrets.mine.sopsFile = "/var/lib/mine.yaml"; }`;
    for (const module of [own, "{ }"]) {
      const { services } = (await host(enough, module)).config.systemd;
      expect(services["sops-install-secrets"].serviceConfig.ExecStart).toEqual(["sops-install-secrets manifest.json"]);
    }
  });

  it("open TCP/22 to the internet with public SSH only", async () => {
    const { config } = await host(enough, clawdlets("publicSsh.enable = true;"));
    expect(config.networking.firewall.allowedTCPPorts).toEqual([22]);
  });

  it("join the tailnet with a unit that tries again, names the key's file alone, and follows the secrets", async () => {
    const { config } = await host(enough, clawdlets("tailnet.tailscale.ssh = true;"));
    expect(config.services.tailscale.authKeyFile).toBeNull(); // nixpkgs' unit would put the key on a command line.
    const unit = config.systemd.services["clawdlets-tailnet"];
    expect(unit).toMatchObject({
      requires: ["sops-install-secrets.service"],
      partOf: ["clawdlets-secrets.target"],
      wantedBy: ["multi-user.target"],
      unitConfig: { StartLimitIntervalSec: 0 },
      serviceConfig: { Restart: "on-failure", RuntimeDirectory: "clawdlets-tailnet", Type: "exec" },
    });
    expect(unit.after).toEqual(["tailscaled.service", "sops-install-secrets.service"]);
    expect(config.systemd.timers["clawdlets-tailnet"].wantedBy).toEqual(["timers.target"]);
    expect(unit.environment).toMatchObject({
      AUTH_KEY_FILE: "/run/secrets/tailscale_auth_key",
      SSH: "true",
      LOGIN_SERVER: "",
      STATE_FILE: "/run/clawdlets-tailnet/state",
    });
    expect(unit.script).toContain('--auth-key="file:$AUTH_KEY_FILE"');
  });

  it("make the host a new device of its tailnet on an order, where that is allowed, and settle one that was cut short", async () => {
    const allowed = clawdlets('tailnet.tailscale = { rekey = true; tags = [ "tag:bot-host" ]; };');
    const { config } = await host(enough, allowed);
    const joins = config.systemd.services["clawdlets-tailnet"].environment;
    const watch = config.systemd.services["clawdlets-rekey-watch"];
    expect(watch).toMatchObject({
      wantedBy: ["multi-user.target"],
      after: ["tailscaled.service"],
      restartIfChanged: false,
      serviceConfig: { ExecStart: expect.stringMatching(/\/clawdlets-rekey watch$/) },
    });
    expect(config.systemd.timers["clawdlets-rekey-watch"].timerConfig).toMatchObject({ OnUnitInactiveSec: "1min" });
    const evaluated = `(import ./test/nix/eval/host.nix { modules = [ (${enough}) (${allowed}) ]; })`;
    const packages = (await evaluate(
      `map (it: { inherit (it) name; text = it.text or ""; }) ${evaluated}.config.environment.systemPackages`,
    )) as { name: string; text: string }[];
    const { text = "" } = packages.find(({ name }) => name === "clawdlets-rekey") ?? {};
    expect(text).toMatch(/^export TAGS='?tag:bot-host'?$/m);
    expect(/^export KEPT_STATE='?([^'\n]*)/m.exec(text)?.[1]).toBe(joins.KEPT_STATE);
    // The two never work at once: rekey.sh locks the same file.
    expect(joins.LOCK_FILE).toBe("/run/clawdlets-locks/tailnet.lock");
    expect(joins.KEPT_STATE).toBe("/var/lib/tailscale/tailscaled.state.kept");
  });

  it("take no order to rekey by default, and still settle one from before", async () => {
    const { config } = await host(enough);
    expect(config.systemd.timers["clawdlets-rekey-watch"]).toBeUndefined();
    expect(config.systemd.services["clawdlets-rekey-watch"].wantedBy).toEqual(["multi-user.target"]);
    expect(JSON.stringify(config.security.sudo)).not.toContain("clawdlets-rekey");
  });

  it("join another control server with tags and an operator's own flags", async () => {
    const { config, refused } = await host(
      enough,
      clawdlets('tailnet.tailscale = { loginServer = "https://hs.example.com"; tags = [ "tag:bot-host" "tag:b" ]; };'),
      '{ services.tailscale.extraUpFlags = [ "--accept-dns=false" "--advertise-exit-node" ]; }',
    );
    expect(refused).toEqual([]);
    expect(config.systemd.services["clawdlets-tailnet"].environment).toMatchObject({
      LOGIN_SERVER: "https://hs.example.com",
      TAGS: "tag:bot-host,tag:b",
      UP_FLAGS: "--accept-dns=false\n--advertise-exit-node",
      SSH: "false",
    });
  });

  it("wait for nobody's key where none is declared", async () => {
    const { config, refused } = await host(
      enough,
      clawdlets("tailnet.tailscale.authKeySecret = null; provisioning.enable = true;"),
    );
    expect(refused).toEqual([]);
    expect(config.systemd.services["clawdlets-tailnet"].requires).toEqual([]);
    const none = await host(enough, '{ lib, ... }: { clawdlets.tailnet.mode = lib.mkForce "none"; }');
    expect(none.config.systemd.services["clawdlets-tailnet"]).toBeUndefined();
  });

  it("give the IPv6 address to no interface but the public one, which is found at boot", async () => {
    for (const address of [undefined, "2001:db8:1:2::1/64"]) {
      const { config } = await host(enough, clawdlets(address === undefined ? "" : `ipv6Address = "${address}";`));
      const unit = config.systemd.services["clawdlets-ipv6"];
      expect(unit.script).toContain("networkctl reload");
      expect(unit.environment["ADDRESS"]).toBe(address);
      expect(config.systemd.network.networks["10-uplink"]).toMatchObject({ address: [], routes: [] });
    }
  });

  it("ask no resolver of the network's beside their own", async () => {
    const { dhcpV4Config, ipv6AcceptRAConfig } = (await host(enough)).config.systemd.network.networks["10-uplink"];
    expect([dhcpV4Config.UseDNS, ipv6AcceptRAConfig.UseDNS]).toEqual([false, false]);
  });

  it("have no emergency mode in either stage of the boot", async () => {
    const { config } = await host(enough);
    expect(config.systemd.enableEmergencyMode).toBe(false);
    expect(config.boot.initrd.systemd.suppressedUnits).toEqual(["emergency.service", "emergency.target"]);
  });

  it("do not flush other nftables tables, even if a ruleset is set", async () => {
    const { config } = await host(enough, '{ networking.nftables.ruleset = "table inet mine { }"; }');
    expect(config.networking.nftables.flushRuleset).toBe(false);
  });

  it("give a bot its tools and a port of its own", async () => {
    const { config } = await host(enough, '{ clawdlets.bots.maren = { command = "/bin/maren"; uid = 31007; }; }');
    expect(config.clawdlets.bots.maren.port).toBe(27007);
    expect(config.systemd.services["clawdbot-maren"].path).toEqual(
      expect.arrayContaining([expect.stringContaining("git")]),
    );
  });

  it.each([
    [
      "PATH in a bot's environment",
      'maren.environment.PATH = "/bin";',
      "List the packages in clawdlets.bots.maren.path",
    ],
    ["two bots with one port", "maren.port = 18789; rex.port = 18789;", "have the same port"],
  ])("refuse %s, and say what to change", async (_, bots, message) => {
    const { refused } = await host(enough, `{ clawdlets.bots = { ${bots} }; }`);
    expect(refused).toEqual([expect.stringContaining(message)]);
  });

  it("make the swap file after the boot, of the size that is set", async () => {
    const swapOf = async (...modules: string[]) =>
      (await host(enough, ...modules)).config.systemd.services["clawdlets-swap"];
    expect(await swapOf()).toMatchObject({ after: ["sshd.service"], environment: {} });
    expect((await swapOf(clawdlets("swap.sizeMiB = 512;"))).environment).toEqual({ SIZE_MIB: "512" });
    expect(await swapOf(clawdlets("swap.sizeMiB = 0;"))).toBeUndefined();
  });

  it.each([
    ["time.timeZone", '"Europe/Berlin"'],
    ["services.resolved.enable", "false"],
    ["services.timesyncd.enable", "false"],
    ["nix.gc.automatic", "false"],
    ["nix.gc.dates", '"daily"'],
    ["nix.gc.options", '"--delete-old"'],
    ["nix.settings.min-free", "1"],
    ["nix.settings.max-free", "2"],
    ["nix.settings.connect-timeout", "3"],
    ["boot.tmp.cleanOnBoot", "false"],
    ["boot.loader.grub.configurationLimit", "3"],
    ["networking.nameservers", '["9.9.9.9"]'],
    ["networking.firewall.allowPing", "false"],
    ["networking.firewall.logRefusedConnections", "true"],
    ["services.openssh.settings.MaxAuthTries", "6"],
    ["services.openssh.settings.LoginGraceTime", "60"],
    ["services.openssh.settings.ClientAliveInterval", "30"],
    ["services.openssh.settings.ClientAliveCountMax", "5"],
    ["systemd.network.wait-online.anyInterface", "false"],
  ])("take an operator's own %s", async (name, value) => {
    const { config } = await host(enough, `{ ${name} = ${value}; }`);
    const found = name.split(".").reduce((set, key) => set[key], config);
    expect(JSON.stringify(found)).toBe(value);
  });

  it("watch the unit that sshd is started by", async () => {
    const rebuild = clawdlets('operator.rebuild = { enable = true; flakeBase = "github:you/hosts"; };');
    const vitalOf = async (module: string) => {
      const evaluated = `import ./test/nix/eval/host.nix { modules = [ (${enough}) (${rebuild}) (${module}) ]; }`;
      const texts = await evaluate(`map (it: it.text or "") (${evaluated}).config.environment.systemPackages`);
      return /VITAL_UNITS='([^']*)'/.exec(String(texts))?.[1];
    };
    expect(await vitalOf("{ }")).toBe("sshd.service nftables.service tailscaled.service");
    const ondemand = "{ services.openssh.startWhenNeeded = true; }";
    expect(await vitalOf(ondemand)).toBe("sshd.socket nftables.service tailscaled.service");
  });

  it("let the host rebuild itself only where that is asked for", async () => {
    const commands = (config: Awaited<ReturnType<typeof host>>["config"]): string[] =>
      config.security.sudo.extraRules.flatMap((rule: { commands: { command: string }[] }) =>
        rule.commands.map(({ command }) => command),
      );
    expect(commands((await host(enough)).config).join("\n")).not.toContain("clawdlets-activate");
    const rebuild = clawdlets('operator.rebuild = { enable = true; flakeBase = "github:you/hosts"; };');
    const health = clawdlets('operator.activation.healthCommands = [ "systemctl is-active --quiet x" "true" ];');
    const { config, refused } = await host(enough, rebuild, health);
    expect(refused).toEqual([]);
    expect(commands(config)).toContain('/run/current-system/sw/bin/clawdlets-activate ""');
    expect(config.environment.etc["clawdlets/health-commands"].text).toBe("systemctl is-active --quiet x\ntrue\n");
    const watch = config.systemd.services["clawdlets-activation-watch"];
    expect(watch.serviceConfig.ExecStart).toMatch(/\/bin\/clawdlets-activate watch$/);
    expect([watch.restartIfChanged, watch.stopIfChanged, watch.wantedBy]).toEqual([
      false,
      false,
      ["multi-user.target"],
    ]);
    expect(config.systemd.timers["clawdlets-activation-watch"].wantedBy).toEqual(["timers.target"]);
    const bare = (await host(enough)).config.systemd;
    expect(bare.services["clawdlets-activation-watch"]).toBeUndefined();
  });

  it("accept systems that were built elsewhere only if the stack file names keys, through a user that nix does not trust", async () => {
    const key = "clawdlets-1a2b3c4d:4rFJp0w0jDzKEzKaPFnyX9g1yzB0pr0ZCPgLqTpZxLc=";
    const cache = "cache.example.com-1:4rFJp0w0jDzKEzKaPFnyX9g1yzB0pr0ZCPgLqTpZxLc=";
    const lines = [
      `adminSshKeys: ["${adminKey}"]`,
      `systemKeys: ["${key}"]`,
      `install: {substituters: [https://cache.example.com], trustedPublicKeys: ["${cache}"]}`,
    ];
    const file = `config:\n${lines.map((line) => `  clawdlets:${line}\n`).join("")}`;
    const stacks = "import ./nix/lib/stacks.nix";
    const { config, refused } = await host(`(${stacks}).moduleOf "web-1" ((${stacks}).read "f" ${nixString(file)})`);
    expect(refused).toEqual([]);
    const { settings } = config.nix;
    expect(settings["trusted-public-keys"].toSorted()).toEqual([cache, key]);
    expect(settings.substituters).toEqual(["https://cache.example.com"]);
    expect([settings["allowed-users"].toSorted(), settings["trusted-users"]]).toEqual([
      ["@wheel", "clawdlets-copy"],
      ["root"],
    ]);
    expect(config.users.users["clawdlets-copy"]).toMatchObject({ isSystemUser: true, isNormalUser: false });
    expect(config.environment.etc["clawdlets/system-keys"].text).toBe(`${key}\n`);
    const allowed = JSON.stringify(config.security.sudo.extraRules);
    expect(allowed).toContain("/run/current-system/sw/bin/clawdlets-receive-system --stdio");
    const without = await host(
      enough,
      clawdlets('operator.rebuild = { enable = true; flakeBase = "github:you/hosts"; };'),
    );
    expect(JSON.stringify(without.config.security.sudo.extraRules)).not.toContain("clawdlets-receive-system");
    expect(without.config.users.users["clawdlets-copy"]).toBeUndefined();
  });

  it.each([
    [
      "a key of systems that is a secret one",
      clawdlets(`operator.rebuild.systemKeys = [ "k:${"A".repeat(86)}==" ];`),
      "is not a nix public key",
    ],
    [
      "a host without a name",
      '{ lib, ... }: { clawdlets.hostName = lib.mkForce "CHANGE_ME_HOSTNAME"; }',
      "clawdlets.hostName is",
    ],
    ["nobody who could log in", "{ lib, ... }: { clawdlets.adminSshKeys = lib.mkForce [ ]; }", "adminSshKeys is empty"],
    [
      "a key with options",
      clawdlets(`adminSshKeys = [ ''command="x" ${adminKey}'' ];`),
      "is not an OpenSSH public key",
    ],
    ["a key that is two", clawdlets(`adminSshKeys = [ "${adminKey}\\n${adminKey}" ];`), "is not an OpenSSH public key"],
    [
      "a control server that is asked in the clear",
      clawdlets('tailnet.tailscale.loginServer = "http://hs.example.com";'),
      "allowed: an https address",
    ],
    ["a tag that is an option", clawdlets('tailnet.tailscale.tags = [ "--ssh" ];'), 'allowed: "tag:" and a name'],
    ["a tailnet without a key", clawdlets("tailnet.tailscale.authKeySecret = null;"), "authKeySecret is null"],
    [
      "a rebuild of nothing",
      clawdlets("operator.rebuild.enable = true;"),
      "allowed with rebuild.enable: github:owner/repo",
    ],
    [
      "a rebuild from anywhere",
      clawdlets('operator.rebuild = { enable = true; flakeBase = "github:you/hosts?x=y"; };'),
      "github:owner/repo",
    ],
    ["a branch that is an option", clawdlets('operator.rebuild.ref = "--upload-pack=x";'), "rebuild.ref is"],
    ["secrets in the store", clawdlets('secrets.hostDir = "/nix/store/abc";'), "outside /nix/store"],
    ["a secret's name that is a path", clawdlets('secrets.names = [ "../x" ];'), "a secret's name is"],
    ["a disk that was never named", clawdlets('diskDevice = "/dev/disk/by-id/CHANGE_ME";'), "diskDevice is"],
    [
      "a disk for GRUB that is set twice",
      '{ boot.loader.grub.device = "/dev/sda"; }',
      "Remove it: GRUB is installed to",
    ],
    [
      "a disk for GRUB that is listed beside disko's",
      '{ boot.loader.grub.devices = [ "/dev/sda" ]; }',
      "clawdlets.diskDevice is added automatically",
    ],
    ["sshd on another port alone", "{ services.openssh.ports = [ 2222 ]; }", "Add 22"],
    [
      "a tailnet's interface that no rule opens",
      '{ services.tailscale.interfaceName = "ts0"; }',
      "port 22 is open on tailscale0 only",
    ],
    [
      "an auth key in nixpkgs' own unit",
      '{ services.tailscale.authKeyFile = "/run/secrets/tailscale_auth_key"; }',
      "which every local user could read on a command line",
    ],
    [
      "an auth key among the flags",
      '{ services.tailscale.extraUpFlags = [ "--auth-key=file:/run/secrets/x" ]; }',
      "name the secret in clawdlets.tailnet.tailscale.authKeySecret",
    ],
    ["another firewall", '{ networking.firewall.backend = "firewalld"; }', "without its firewall rules"],
    ["sudo for wheel alone", "{ security.sudo.execWheelOnly = true; }", "admin, who is not in wheel"],
    [
      "a swap file that is made twice",
      '{ swapDevices = [ { device = "/var/lib/swapfile"; size = 4096; } ]; }',
      "set its size with clawdlets.swap.sizeMiB",
    ],
    ["an address without prefix", clawdlets('ipv6Address = "2001:db8::1";'), "an IPv6 address and its prefix"],
    ["a bot's name that is too long", clawdlets(`bots.${"a".repeat(28)} = { };`), "not a bot name"],
    [
      "a command from nowhere",
      bot('command = "maren";'),
      "an absolute path, or a program of clawdlets.bots.maren.package",
    ],
    [
      "a variable that stands twice",
      bot('environment.A = "b"; envSecrets.A = "c";'),
      "A is in both environment and envSecrets",
    ],
    ["two bots of one number", clawdlets("bots = { a.uid = 40000; b.uid = 40000; };"), "have the same uid"],
  ])("refuse %s, and say what to do", async (_, module, message) => {
    expect((await host(enough, module)).refused.join("\n")).toContain(message);
  });

  it("accept a host that can be reached only at its console at the first boot", async () => {
    const module = "{ lib, ... }: { clawdlets = { provisioning.enable = true; adminSshKeys = lib.mkForce [ ]; }; }";
    expect((await host(enough, module)).refused).toEqual([]);
  });
});

/** That the check of the modules can fail, in every way that nixpkgs' own does. */
describeWith({ programs: ["nix-instantiate"] }, "the evaluation of NixOS modules", () => {
  it.each([
    ["an unknown option of ours", clawdlets('hostname = "web-1";'), "option `clawdlets.hostname' does not exist"],
    ["an unknown option of NixOS", "{ services.opensssh.enable = true; }", "option `services.opensssh' does not exist"],
    [
      "one below a condition",
      "{ lib, config, ... }: { config = lib.mkIf config.networking.useNetworkd { nix.x = 1; }; }",
      "`nix.x' does not exist",
    ],
    ["one in a submodule", '{ systemd.services.a.execStart = "x"; }', "`systemd.services.a.execStart' does not exist"],
    [
      "a key of sshd that is misspelt",
      '{ services.openssh.settings.PermitRootLogins = "no"; }',
      "PermitRootLogins' does not exist",
    ],
    [
      "a value of another type",
      '{ networking.firewall.allowedTCPPorts = [ "22" ]; }',
      "is not of type `16 bit unsigned integer'",
    ],
    [
      "a port that is too high",
      "{ networking.firewall.allowedTCPPorts = [ 65536 ]; }",
      "is not of type `16 bit unsigned integer'",
    ],
    ["a value outside of a choice", clawdlets('tailnet.mode = "wireguard";'), "is not of type `one of"],
    ["a path of Nix as a folder of secrets", clawdlets("secrets.hostDir = ./.;"), "is not of type `null or string'"],
    [
      "two values for one option",
      "{ users.mutableUsers = true; }",
      "`users.mutableUsers' has conflicting definition values",
    ],
    [
      "a setting of the kernel that is set twice, even to one value",
      '{ boot.kernel.sysctl."net.ipv4.tcp_syncookies" = 1; }',
      "net.ipv4.tcp_syncookies' is defined multiple times",
    ],
    [
      "a package that nixpkgs does not have",
      "{ pkgs, ... }: { environment.systemPackages = [ pkgs.no-such ]; }",
      "no-such",
    ],
    [
      "an option without a value",
      "{ sops.secrets.a = { }; }",
      "`sops.secrets.a.sopsFile' was accessed but has no value",
    ],
    ["settings beside a config", "{ config = { }; time = { }; }", "beside them time"],
  ])("refuses %s", async (_, module, message) => {
    expect(await hostRefusal(enough, module)).toContain(message);
  });

  it("lets the stronger definition win, and joins those that can be joined", async () => {
    const { config } = await host(
      enough,
      '{ lib, ... }: { time.timeZone = lib.mkForce "Europe/Berlin"; boot.kernelParams = lib.mkMerge [ [ "a" ] (lib.mkIf false [ "b" ]) ]; }',
    );
    expect(config.time.timeZone).toBe("Europe/Berlin");
    expect(config.boot.kernelParams).toContain("a");
    expect(config.boot.kernelParams).not.toContain("b");
  });

  it("knows the functions of nixpkgs' lib", async () => {
    const lib = "(import ./test/nix/eval/lib.nix)";
    expect(await evaluate(`${lib}.escapeShellArg "it's"`)).toBe("'it'\\''s'");
    expect(await evaluate(`${lib}.makeBinPath [ "/a" "/b" ]`)).toBe("/a/bin:/b/bin");
  });
});
