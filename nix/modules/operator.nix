# What `admin` may do as root, without a password and without more: the exact list is in nix/lib/sudoers.nix.
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
      # An assertion says so where it is none.
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
          "sshd.service"
          "nftables.service"
        ]
        ++ lib.optional (cfg.tailnet.mode == "tailscale") "tailscaled.service"
      );
    };
  };
in
{
  options.clawdlets.operator.activation = {
    healthCommands = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = [ ];
      example = [ "/run/current-system/sw/bin/systemctl is-active --quiet clawdbot-maren.service" ];
      description = ''
        Run by root after a switch to this configuration by `clawdlets rebuild`, each for up to 60 s and one line. The host goes
        back unless all succeed before the deadline.
      '';
    };

    rebootOnKernelChange = lib.mkOption {
      type = lib.types.bool;
      default = false;
      example = true;
      description = "Reboots before a switch is confirmed when kernel, initrd or modules are other ones. A new kernel that does not come up has to be put right at the console.";
    };

    buildSeconds = lib.mkOption {
      type = lib.types.int;
      default = 3600;
      example = 7200;
      description = "How long the build before a switch may take, in seconds. Nothing is changed meanwhile.";
    };
  };

  options.clawdlets.operator.rebuild = {
    enable = lib.mkOption {
      type = lib.types.bool;
      default = false;
      example = true;
      description = ''
        Lets admin switch the host to a commit of its own repository, or to a generation before, as `clawdlets rebuild` does.
        Whoever may push to that branch is then root on the host.
      '';
    };

    flakeBase = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      example = "github:you/hosts";
      description = "The repository with the host's flake: github:owner/repo, a public one.";
    };

    ref = lib.mkOption {
      type = lib.types.str;
      default = "main";
      example = "production";
      description = ''
        The branch whose commits are taken. Commits that only other branches or forks have are refused: GitHub serves those of
        every fork under the original's name.
      '';
    };

    flakeHost = lib.mkOption {
      type = lib.types.str;
      default = cfg.hostName;
      defaultText = lib.literalExpression "config.clawdlets.hostName";
      example = "web-1";
      description = "The attribute of nixosConfigurations that is this host.";
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
    ];

    # Ends what nobody ends any more: a run that was killed, a host that booted in the middle of one.
    systemd = lib.mkIf rebuild.enable {
      services.${names.activationWatch} = {
        description = "Goes back to the former system unless the present one was confirmed";
        wantedBy = [ "multi-user.target" ];
        # It may be waiting for a confirmation, or switching, itself.
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
        description = "Looks each minute for an activation that nobody ends";
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
      # breakglass is in wheel; its password is what stands between the console and root.
      wheelNeedsPassword = true;
      extraConfig = sudoers.defaults;
      extraRules = sudoers.rules {
        bots = builtins.attrNames cfg.bots;
        rebuild = rebuild.enable;
      };
    };

    environment = {
      systemPackages = lib.optional rebuild.enable activate;
      # Read from the system that is switched to, by the one before it.
      etc = lib.mkIf rebuild.enable {
        "clawdlets/health-commands".text = builtins.concatStringsSep "\n" (
          activation.healthCommands ++ [ "" ]
        );
      };
    };
  };
}
