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

  activate = wrapper {
    name = "clawdlets-activate";
    script = ../host/activate.sh;
    programs = [
      nix
      pkgs.bash
      pkgs.coreutils
      pkgs.diffutils
      pkgs.git
      pkgs.systemd
      pkgs.util-linux
    ];
    environment = {
      # An assertion reports an invalid one.
      REPOSITORY = "https://github.com/${if repository == null then "" else builtins.head repository}";
      REF = rebuild.ref;
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
        assertion = !rebuild.enable || repository != null;
        message = ''clawdlets.operator.rebuild.flakeBase is "${toString rebuild.flakeBase}"; allowed with rebuild.enable: github:owner/repo. Set it to the repository with this host's flake.'';
      }
      {
        assertion =
          builtins.match "[A-Za-z0-9_][A-Za-z0-9_./-]*" rebuild.ref != null
          && builtins.match ".*(\\.\\.|//|/$).*" rebuild.ref == null;
        message = ''clawdlets.operator.rebuild.ref is "${rebuild.ref}"; allowed: the name of a branch, e.g. "main".'';
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
      };
    };

    environment = {
      systemPackages = lib.optional rebuild.enable activate;
      # Read from the new system by the former one.
      etc = lib.mkIf rebuild.enable {
        "clawdlets/health-commands".text = builtins.concatStringsSep "\n" (
          activation.healthCommands ++ [ "" ]
        );
      };
    };
  };
}
