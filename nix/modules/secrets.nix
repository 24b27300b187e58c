# Secrets: encrypted on the host's disk, outside the Nix store, and decrypted into memory by sops-nix with the host's own age key.
# Import sops-nix' module as well (flake.nix does).
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.clawdlets;
  names = import ../lib/names.nix;
  hostDir =
    if cfg.secrets.hostDir == null then names.secretsDirOf cfg.hostName else cfg.secrets.hostDir;
  isOutsideStore =
    path: builtins.match "/[^ ]*[^ /]" path != null && builtins.match "/nix/store/.*" path == null;
  forUsers = [ "admin_password_hash" ];

  variables = import ../lib/bot-variables.nix;
  bots = builtins.attrValues cfg.bots;
  withOpenclaw = builtins.filter (name: cfg.bots.${name}.openclaw != null) (
    builtins.attrNames cfg.bots
  );
  repository =
    if cfg.backups.repository == null then
      null
    else
      (import ./backups/repository.nix).parse cfg.backups.repository;
  required = import ../lib/plan.nix {
    tailnet = if cfg.tailnet.tailscale.authKeySecret == null then "none" else cfg.tailnet.mode;
    backups = if repository == null then null else repository.kind;
    bots = builtins.attrNames cfg.bots;
    botSecrets = lib.genAttrs withOpenclaw (
      name: builtins.attrValues (variables.ofFolder name cfg.bots.${name}.openclaw)
    );
    secrets =
      cfg.secrets.names
      ++ lib.optional (
        cfg.tailnet.mode == "tailscale" && cfg.tailnet.tailscale.authKeySecret != null
      ) cfg.tailnet.tailscale.authKeySecret
      ++ builtins.concatMap (bot: bot.secrets ++ builtins.attrValues bot.envSecrets) bots;
  };

  hasOnlyUserSecrets = builtins.all (secret: secret.neededForUsers) (
    builtins.attrValues config.sops.secrets
  );

  receive = import ../lib/wrapper.nix { inherit lib pkgs; } {
    name = "clawdlets-receive-secrets";
    script = ../host/receive-secrets.sh;
    programs = [
      pkgs.age
      pkgs.coreutils
      pkgs.gnugrep
      pkgs.gnused
      pkgs.gnutar
      pkgs.sops
      pkgs.systemd
      pkgs.util-linux
    ];
    environment = {
      SECRETS_DIR = hostDir;
      AGE_KEY_FILE = cfg.secrets.ageKeyFile;
    };
  };
in
{
  options.clawdlets.secrets = {
    hostDir = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      example = "/var/lib/clawdlets/secrets/hosts/web-1";
      description = ''
        Folder on the host with one sops file per secret, <name>.yaml. A string, not a Nix path: a path would be copied into the
        store, which everyone on the host can read. null: /var/lib/clawdlets/secrets/hosts/<hostName>, where the installation
        and `clawdlets secrets sync` put them.
      '';
    };

    ageKeyFile = lib.mkOption {
      type = lib.types.str;
      default = names.ageKeyFile;
      example = "/var/lib/sops-nix/key.txt";
      description = "Path of the host's age identity on the host. The installation delivers it.";
    };

    names = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = [ ];
      example = [ "openai_api_key" ];
      description = ''
        Additional secrets of the host, as listed by `clawdlets:secrets` in the stack file. Secrets of the plan
        (core/project/secrets/plan.json) and those that bots name are included automatically.
      '';
    };
  };

  config = {
    assertions = [
      {
        assertion = isOutsideStore hostDir && isOutsideStore cfg.secrets.ageKeyFile;
        message = "clawdlets.secrets: hostDir is \"${hostDir}\" and ageKeyFile \"${cfg.secrets.ageKeyFile}\"; allowed: absolute paths on the host, outside /nix/store, e.g. ${names.secretsDirOf "web-1"}.";
      }
      {
        assertion = builtins.all (name: builtins.match "[a-z][a-z0-9_-]{0,62}" name != null) required;
        message = "clawdlets: a secret's name is a lowercase letter, then up to 62 of a-z, 0-9, \"_\" and \"-\"; got: ${builtins.concatStringsSep ", " required}.";
      }
    ];

    sops = {
      # Only this key: sops-nix would also try the host's ssh key, which the files are not encrypted to.
      age = {
        keyFile = cfg.secrets.ageKeyFile;
        sshKeyPaths = [ ];
        generateKey = false;
      };
      gnupg.sshKeyPaths = [ ];
      # The files are not in the store, so the build cannot validate them.
      validateSopsFiles = false;
      # A unit, so that clawdlets-receive-secrets can restart it.
      useSystemdActivation = true;
      secrets = lib.genAttrs required (name: {
        sopsFile = "${hostDir}/${name}.yaml";
        owner = "root";
        group = "root";
        mode = "0400";
        neededForUsers = builtins.elem name forUsers;
      });
    };

    systemd = {
      # sops-nix creates no unit for a host whose only secret is a password. Not of `required`: an operator's own sops.secrets count.
      services.sops-install-secrets = lib.mkIf hasOnlyUserSecrets {
        description = "No secrets but those of users";
        serviceConfig = {
          Type = "oneshot";
          ExecStart = "${pkgs.coreutils}/bin/true";
        };
      };
      # Services that read secrets are PartOf it, and restart when secrets change.
      targets.${names.secretsTarget} = {
        description = "Services that use secrets";
        wantedBy = [ "multi-user.target" ];
      };
    };

    environment.systemPackages = [ receive ];
  };
}
