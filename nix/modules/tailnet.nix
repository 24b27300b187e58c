# How the host is reached after the installation.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.clawdlets;
  inherit (cfg.tailnet) tailscale;
  isTailscale = cfg.tailnet.mode == "tailscale";
  names = import ../lib/names.nix;
  hasKey = tailscale.authKeySecret != null;
  isWord = pattern: value: builtins.match pattern value != null;
  wrapper = import ../lib/wrapper.nix { inherit lib pkgs; };
  sudoers = import ../lib/sudoers.nix;

  # How the host joins, whatever the key.
  joining = {
    SSH = if tailscale.ssh then "true" else "false";
    LOGIN_SERVER = if tailscale.loginServer == null then "" else tailscale.loginServer;
    TAGS = builtins.concatStringsSep "," tailscale.tags;
    UP_FLAGS = builtins.concatStringsSep "\n" config.services.tailscale.extraUpFlags;
  };
  rekey = wrapper {
    name = "clawdlets-rekey";
    script = ../host/rekey.sh;
    programs = [
      config.services.tailscale.package
      pkgs.bash
      pkgs.coreutils
      pkgs.gnugrep
      pkgs.gnused
      pkgs.systemd
      pkgs.util-linux
    ];
    environment = joining // {
      STATE_DIR = names.rekeyDir;
      RUN_DIR = "/run/clawdlets-rekey";
      TAILSCALE_STATE = names.tailscaleState;
      KEPT_STATE = names.tailscaleKeptState;
      ACTIVATION = "${names.activationDir}/state.json";
      SELF = "${sudoers.sw}/clawdlets-rekey";
      JOIN = "${../host/join-tailnet.sh}";
    };
  };
in
{
  options.clawdlets.tailnet = {
    mode = lib.mkOption {
      type = lib.types.enum [
        "none"
        "tailscale"
      ];
      default = "none";
      example = "tailscale";
      description = "How the admin reaches the host. With `none` and without public SSH, only the console is left.";
    };

    tailscale = {
      openFirewall = lib.mkOption {
        type = lib.types.bool;
        default = true;
        example = false;
        description = "Opens Tailscale's UDP port for direct connections. Otherwise they go through Tailscale's relays.";
      };

      ssh = lib.mkOption {
        type = lib.types.bool;
        default = false;
        example = true;
        description = ''
          Tailscale SSH: the tailnet's access rules then decide who may log in, and as which user. On the tailnet it bypasses sshd with its
          pinned key, its `AllowUsers admin` and its log.
        '';
      };

      rekey = lib.mkOption {
        type = lib.types.bool;
        default = false;
        example = true;
        description = ''
          Lets `clawdlets tailnet rekey` make the host a new device, without the sudo password. Anyone with admin's ssh key can then also move
          the host to a tailnet of their own on the same control server, where your access rules do not apply.
        '';
      };

      authKeySecret = lib.mkOption {
        type = lib.types.nullOr lib.types.str;
        default = "tailscale_auth_key";
        example = null;
        description = "Name of the secret with the auth key that the host joins with. null: run `sudo tailscale up --reset` at the console yourself.";
      };

      loginServer = lib.mkOption {
        type = lib.types.nullOr lib.types.str;
        default = null;
        example = "https://headscale.example.com";
        description = "The control server to join through, e.g. a headscale of your own. null: Tailscale's. Counts at the next join.";
      };

      tags = lib.mkOption {
        type = lib.types.listOf lib.types.str;
        default = [ ];
        example = [ "tag:bot-host" ];
        description = "Tags that the host asks for when it joins. Required with an OAuth client's secret in place of an auth key.";
      };
    };
  };

  config = {
    assertions = [
      {
        assertion =
          !isTailscale || tailscale.authKeySecret != null || cfg.provisioning.enable || cfg.publicSsh.enable;
        message = "clawdlets.tailnet.tailscale.authKeySecret is null, so the host could not join the tailnet. Name a secret (default: tailscale_auth_key), or set clawdlets.provisioning.enable or clawdlets.publicSsh.enable for a first boot.";
      }
      {
        # Either brings the key back onto a command line, and nixpkgs' unit joins a second time.
        assertion =
          !isTailscale
          || (
            config.services.tailscale.authKeyFile == null
            && !builtins.any (isWord ".*auth-key.*") config.services.tailscale.extraUpFlags
          );
        message = "services.tailscale.authKeyFile or extraUpFlags has an auth key, which every local user could read on a command line. Remove it and name the secret in clawdlets.tailnet.tailscale.authKeySecret.";
      }
      {
        # An option would be taken for one by `tailscale up`, and http sends the auth key in the clear.
        assertion =
          tailscale.loginServer == null || isWord "https://[A-Za-z0-9.:_/-]+" tailscale.loginServer;
        message = ''clawdlets.tailnet.tailscale.loginServer is "${toString tailscale.loginServer}"; allowed: an https address, e.g. "https://headscale.example.com", or null.'';
      }
      {
        assertion = builtins.all (isWord "tag:[A-Za-z][A-Za-z0-9-]*") tailscale.tags;
        message = ''clawdlets.tailnet.tailscale.tags is ${builtins.toJSON tailscale.tags}; allowed: "tag:" and a name of letters, digits and "-", e.g. "tag:bot-host".'';
      }
    ];
    warnings =
      lib.optional (!isTailscale && !cfg.publicSsh.enable && !cfg.provisioning.enable)
        "clawdlets: neither clawdlets.tailnet.mode nor clawdlets.publicSsh.enable is set, so this host can be reached only at its console.";

    services.tailscale = lib.mkIf isTailscale {
      enable = true;
      inherit (tailscale) openFirewall;
    };

    # Not nixpkgs' authKeyFile: its unit puts the key on a command line, which every local user can read, and is tried only once.
    systemd = lib.mkIf isTailscale {
      services.${names.tailnetUnit} = {
        description = "Join the tailnet";
        wantedBy = [ "multi-user.target" ];
        wants = [ "tailscaled.service" ];
        requires = lib.optional hasKey "sops-install-secrets.service";
        after = [ "tailscaled.service" ] ++ lib.optional hasKey "sops-install-secrets.service";
        # A new key is tried at once.
        partOf = [ "${names.secretsTarget}.target" ];
        unitConfig.StartLimitIntervalSec = 0;
        path = [
          config.services.tailscale.package
          pkgs.util-linux
        ];
        environment = joining // {
          AUTH_KEY_FILE = if hasKey then config.sops.secrets.${tailscale.authKeySecret}.path else "";
          STATE_FILE = names.tailnetStateFile;
          LOCK_FILE = names.tailnetLock;
          KEPT_STATE = names.tailscaleKeptState;
        };
        serviceConfig = {
          # Not oneshot: neither a boot nor a switch waits for a control server that is down.
          Type = "exec";
          Restart = "on-failure";
          # Pauses from 5 s to 5 min.
          RestartSec = 5;
          RestartSteps = 6;
          RestartMaxDelaySec = 300;
          RuntimeDirectory = builtins.baseNameOf (builtins.dirOf names.tailnetStateFile);
          RuntimeDirectoryPreserve = true;
        };
        script = builtins.readFile ../host/join-tailnet.sh;
      };
      # A host can fall out of its tailnet later: its node key expires, or someone logs it out or runs `tailscale down`.
      timers.${names.tailnetUnit} = {
        description = "Check that the host is in the tailnet";
        wantedBy = [ "timers.target" ];
        timerConfig.OnUnitInactiveSec = "10min";
        timerConfig.OnBootSec = "10min";
      };

      # Settles a rekey whose run was killed, or that a reboot cut short; also at boot where rekey has been turned off since.
      services.${names.rekeyWatch} = {
        description = "Return to the former device of the tailnet unless the new one was confirmed";
        wantedBy = [ "multi-user.target" ];
        after = [ "tailscaled.service" ];
        # It may itself be waiting for a confirmation.
        restartIfChanged = false;
        stopIfChanged = false;
        unitConfig.X-StopOnRemoval = false;
        serviceConfig = {
          ExecStart = "${rekey}/bin/clawdlets-rekey watch";
          Type = "exec";
          KillMode = "mixed";
        };
      };
      timers.${names.rekeyWatch} = lib.mkIf tailscale.rekey {
        description = "Check every minute for an abandoned rekey";
        wantedBy = [ "timers.target" ];
        timerConfig = {
          OnBootSec = "1min";
          OnUnitInactiveSec = "1min";
          AccuracySec = "1s";
        };
      };
    };
    environment.systemPackages = lib.optional (isTailscale && tailscale.rekey) rekey;
  };
}
