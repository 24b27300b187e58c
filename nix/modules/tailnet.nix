# How the host is reached after the installation.
{ config, lib, ... }:
let
  cfg = config.clawdlets;
  inherit (cfg.tailnet) tailscale;
  isTailscale = cfg.tailnet.mode == "tailscale";
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

      authKeySecret = lib.mkOption {
        type = lib.types.nullOr lib.types.str;
        default = "tailscale_auth_key";
        example = null;
        description = "Name of the secret with the auth key that the host joins with. null: run `tailscale up` at the console yourself.";
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
    ];
    warnings =
      lib.optional (!isTailscale && !cfg.publicSsh.enable && !cfg.provisioning.enable)
        "clawdlets: neither clawdlets.tailnet.mode nor clawdlets.publicSsh.enable is set, so this host can be reached only at its console.";

    services.tailscale = lib.mkIf isTailscale {
      enable = true;
      inherit (tailscale) openFirewall;
      authKeyFile = lib.mkIf (
        tailscale.authKeySecret != null
      ) config.sops.secrets.${tailscale.authKeySecret}.path;
      extraUpFlags = lib.optional tailscale.ssh "--ssh";
    };
  };
}
