# What `admin` may do as root, without a password and without more: the exact list is in nix/lib/sudoers.nix.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.clawdlets;
  inherit (cfg.operator) rebuild;
  sudoers = import ../lib/sudoers.nix;
  wrapper = import ../lib/wrapper.nix { inherit lib pkgs; };
  repository = builtins.match "github:([A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+)" (toString rebuild.flakeBase);
  nix = config.nix.package;

  rollback = wrapper {
    name = "clawdlets-rollback";
    script = ../host/rollback.sh;
    programs = [
      nix
      pkgs.coreutils
      pkgs.systemd
    ];
    environment.PROFILE = "/nix/var/nix/profiles/system";
  };

  rebuildHost = wrapper {
    name = "rebuild-host";
    script = ../host/rebuild-host.sh;
    programs = [
      "/run/current-system/sw" # nixos-rebuild, as this system has it.
      nix
      pkgs.coreutils
      pkgs.git
      pkgs.systemd
      pkgs.util-linux
    ];
    environment = {
      REPOSITORY = "https://github.com/${builtins.head repository}";
      REF = rebuild.ref;
      HOST = rebuild.flakeHost;
      CACHE = "/var/lib/clawdlets/rebuild.git";
    };
  };
in
{
  options.clawdlets.operator.rebuild = {
    enable = lib.mkOption {
      type = lib.types.bool;
      default = false;
      example = true;
      description = ''
        Lets admin switch the host to a commit of its own repository, by `sudo -n /etc/clawdlets/bin/rebuild-host [--rev …]`.
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
      systemPackages = [ rollback ];
      etc = lib.mkIf rebuild.enable {
        "clawdlets/bin/rebuild-host".source = "${rebuildHost}/bin/rebuild-host";
      };
    };
  };
}
