# What `admin` may do as root without a password. The exact list is in nix/lib/sudoers.nix.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.clawdlets;
  inherit (cfg.operator) activation rebuild;
  names = import ../lib/names.nix;
  sudoers = import ../lib/sudoers.nix;
  wrapper = import ../lib/wrapper.nix { inherit lib pkgs; };
  repository = builtins.match "github:([A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+)" (toString rebuild.flakeBase);
  nix = config.nix.package;
  # Only a host that trusts keys accepts systems that were built elsewhere.
  accepts = rebuild.enable && rebuild.systemKeys != [ ];

  receive = wrapper {
    name = "clawdlets-receive-system";
    script = ../host/receive-system.sh;
    programs = [
      nix
      pkgs.util-linux
    ];
    environment.RECEIVER = names.receiver;
  };

  activate = wrapper {
    name = "clawdlets-activate";
    script = ../host/activate.sh;
    programs = [
      nix
      pkgs.bash
      pkgs.coreutils
      pkgs.diffutils
      pkgs.git
      pkgs.openssl
      pkgs.systemd
      pkgs.util-linux
    ];
    environment = {
      # Empty: nothing is built here. An assertion reports an invalid one.
      REPOSITORY = if repository == null then "" else "https://github.com/${builtins.head repository}";
      REF = rebuild.ref;
      NAME = cfg.hostName;
      SYSTEM_KEYS = builtins.concatStringsSep " " rebuild.systemKeys;
      RELEASE_FLOOR = toString rebuild.releaseFloor;
      HOST = rebuild.flakeHost;
      CACHE = "/var/lib/clawdlets/rebuild.git";
      SELF = "${sudoers.sw}/clawdlets-activate";
      STATE_DIR = names.activationDir;
      PROFILE = "/nix/var/nix/profiles/system";
      SECRETS_DIR =
        if cfg.secrets.hostDir == null then names.secretsDirOf cfg.hostName else cfg.secrets.hostDir;
      AGE_KEY_FILE = cfg.secrets.ageKeyFile;
      REBOOT = if activation.rebootOnKernelChange then "1" else "0";
      BUILD_SECONDS = toString activation.buildSeconds;
      VITAL_UNITS = builtins.concatStringsSep " " (
        [
          (if config.services.openssh.startWhenNeeded then "sshd.socket" else "sshd.service")
          "nftables.service"
        ]
        ++ lib.optional (cfg.tailnet.mode == "tailscale") "tailscaled.service"
      );
    };
  };
in
{
  imports = [
    ./inspect.nix
    ./reboot.nix
  ];

  options.clawdlets.operator.activation = {
    healthCommands = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = [ ];
      example = [ "/run/current-system/sw/bin/systemctl is-active --quiet clawdbot-maren.service" ];
      description = ''
        Commands that root runs after `clawdlets rebuild` has switched to this configuration, one line each, for up to 60 s. The host
        rolls back unless all succeed before the deadline.
      '';
    };

    rebootOnKernelChange = lib.mkOption {
      type = lib.types.bool;
      default = false;
      example = true;
      description = "Reboots before a switch is confirmed if the kernel, the initrd or modules have changed. If the new kernel does not boot, the host needs repair at its console.";
    };

    buildSeconds = lib.mkOption {
      type = lib.types.int;
      default = 3600;
      example = 7200;
      description = "Time limit in seconds for the build before a switch. Nothing changes during the build.";
    };
  };

  options.clawdlets.operator.rebuild = {
    enable = lib.mkOption {
      type = lib.types.bool;
      default = false;
      example = true;
      description = ''
        Lets admin switch the host to a commit of its own repository or to an earlier generation, as `clawdlets rebuild` does. Anyone
        who can push to that branch is then root on the host.
      '';
    };

    flakeBase = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      example = "github:you/hosts";
      description = "The public repository with the host's flake: github:owner/repo.";
    };

    ref = lib.mkOption {
      type = lib.types.str;
      default = "main";
      example = "production";
      description = ''
        The branch whose commits are accepted. Commits that are only on other branches or forks are refused: GitHub serves the commits of
        every fork under the original's name.
      '';
    };

    systemKeys = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = [ ];
      example = [ "clawdlets-1a2b3c4d:4rFJp0w0jDzKEzKaPFnyX9g1yzB0pr0ZCPgLqTpZxLc=" ];
      description = ''
        Keys of which one has to sign a change of this host, in nix's format, name:base64. Without any, admin may switch the host to every
        commit of its branch and to earlier generations.
      '';
    };

    releaseFloor = lib.mkOption {
      type = lib.types.int;
      default = 0;
      example = 1764230400;
      description = "Releases that were signed up to this time, in seconds since 1970, are refused; the flake sets the age of its commit.";
    };

    flakeHost = lib.mkOption {
      type = lib.types.str;
      default = cfg.hostName;
      defaultText = lib.literalExpression "config.clawdlets.hostName";
      example = "web-1";
      description = "This host's attribute in nixosConfigurations.";
    };
  };

  config = {
    assertions = [
      {
        assertion =
          !rebuild.enable || repository != null || (rebuild.flakeBase == null && rebuild.systemKeys != [ ]);
        message = ''clawdlets.operator.rebuild.flakeBase is "${toString rebuild.flakeBase}"; allowed with rebuild.enable: github:owner/repo. Set it to the repository with this host's flake.'';
      }
      {
        assertion =
          builtins.match "[A-Za-z0-9_][A-Za-z0-9_./-]*" rebuild.ref != null
          && builtins.match ".*(\\.\\.|//|/$).*" rebuild.ref == null;
        message = ''clawdlets.operator.rebuild.ref is "${rebuild.ref}"; allowed: the name of a branch, e.g. "main".'';
      }
      {
        assertion = builtins.all (
          key: builtins.match "[A-Za-z0-9_.@+-]{1,100}:[A-Za-z0-9+/]{43}=" key != null
        ) rebuild.systemKeys;
        message = "clawdlets.operator.rebuild.systemKeys: one entry is not a nix public key (not shown, because it may be a secret key); allowed: name:, 43 characters of base64 and \"=\".";
      }
      {
        # It makes sudo executable for the group wheel only.
        assertion = !config.security.sudo.execWheelOnly;
        message = "security.sudo.execWheelOnly is true, so admin, who is not in wheel, could not run sudo, which clawdlets uses. Remove it.";
      }
    ];

    # Finishes an abandoned activation: a run that was killed, or a host that rebooted during one.
    systemd = lib.mkIf rebuild.enable {
      services.${names.activationWatch} = {
        description = "Roll back to the former system unless the current one was confirmed";
        wantedBy = [ "multi-user.target" ];
        # It may itself be waiting for a confirmation, or switching.
        restartIfChanged = false;
        stopIfChanged = false;
        unitConfig.X-StopOnRemoval = false;
        serviceConfig = {
          ExecStart = "${activate}/bin/clawdlets-activate watch";
          Type = "exec";
          KillMode = "mixed";
        };
      };
      timers.${names.activationWatch} = {
        description = "Check every minute for an abandoned activation";
        wantedBy = [ "timers.target" ];
        timerConfig = {
          OnBootSec = "1min";
          OnUnitInactiveSec = "1min";
          AccuracySec = "1s";
        };
      };
    };

    security.sudo = {
      enable = true;
      # breakglass is in wheel; its password separates the console from root.
      wheelNeedsPassword = true;
      extraConfig = sudoers.defaults;
      extraRules = sudoers.rules {
        bots = builtins.attrNames cfg.bots;
        rebuild = rebuild.enable;
        backups = cfg.backups.repository != null;
        push = accepts;
        tailnet = cfg.tailnet.mode == "tailscale" && cfg.tailnet.tailscale.rekey;
      };
    };

    users = lib.mkIf accepts {
      users.${names.receiver} = {
        isSystemUser = true;
        group = names.receiver;
      };
      groups.${names.receiver} = { };
    };
    nix.settings = lib.mkIf accepts {
      allowed-users = [ names.receiver ];
      trusted-public-keys = rebuild.systemKeys;
    };

    environment = {
      systemPackages = lib.optional rebuild.enable activate ++ lib.optional accepts receive;
      # Read from the new system by the former one.
      etc = lib.mkIf rebuild.enable {
        "clawdlets/health-commands".text = builtins.concatStringsSep "\n" (
          activation.healthCommands ++ [ "" ]
        );
        # Read by the operator, who signs with one of these keys, and numbers a release above the last one.
        "clawdlets/system-keys".text = builtins.concatStringsSep "\n" (rebuild.systemKeys ++ [ "" ]);
        "clawdlets/release-floor".text = "${toString rebuild.releaseFloor}\n";
      };
    };
  };
}
