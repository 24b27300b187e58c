# SSH access: `admin` by key, over the tailnet, with the host key that was pinned before the server existed.
{ config, lib, ... }:
let
  cfg = config.clawdlets;
  names = import ../lib/names.nix;
  sshd = import ../lib/sshd.nix;
  isPublicKey =
    key:
    builtins.match "(ssh-ed25519|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh\\.com|sk-ecdsa-sha2-nistp256@openssh\\.com|ssh-rsa) [A-Za-z0-9+/]+=*( [^\n]*)?" key
    != null;
  # These limits change nothing about who gets in, so an operator's own value wins.
  limits = [
    "ClientAliveCountMax"
    "ClientAliveInterval"
    "LoginGraceTime"
    "MaxAuthTries"
  ];
in
{
  options.clawdlets = {
    adminSshKeys = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = [ ];
      example = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI… you@laptop" ];
      description = "OpenSSH public keys that may log in as `admin`, one per string, without options in front.";
    };

    publicSsh.enable = lib.mkOption {
      type = lib.types.bool;
      default = false;
      example = true;
      description = ''
        OPENS TCP/22 in the host's own firewall to everyone whom Hetzner's firewall lets through (`sshExposure: public` in the stack
        file, which names the networks). Otherwise it is open only on tailscale0.
      '';
    };
  };

  config = {
    assertions = [
      {
        assertion = cfg.adminSshKeys != [ ] || cfg.provisioning.enable;
        message = "clawdlets.adminSshKeys is empty, so nobody could log in. Add at least one OpenSSH public key, or set clawdlets.provisioning.enable for a first boot at the console.";
      }
      {
        assertion = builtins.all isPublicKey cfg.adminSshKeys;
        message = "clawdlets.adminSshKeys: one entry is not an OpenSSH public key such as \"ssh-ed25519 AAAA… you@laptop\". Options in front of a key are not allowed.";
      }
      {
        # Hetzner's firewall, this host's and every command of clawdlets use port 22.
        assertion = builtins.elem 22 config.services.openssh.ports;
        message = "services.openssh.ports is ${builtins.toJSON config.services.openssh.ports}, so clawdlets, which connects to port 22, could not reach the host. Add 22.";
      }
    ];

    services.openssh = {
      enable = true;
      openFirewall = false;
      allowSFTP = false;
      authorizedKeysInHomedir = false;
      inherit (sshd) hostKeys;
      settings = sshd.settings // lib.genAttrs limits (name: lib.mkDefault sshd.settings.${name});
    };

    users.users.${names.admin} = {
      isNormalUser = true;
      # Without wheel: what admin may do as root is in operator.nix.
      extraGroups = [ ];
      hashedPasswordFile = config.sops.secrets.admin_password_hash.path;
      openssh.authorizedKeys.keys = cfg.adminSshKeys;
    };
  };
}
