# What `clawdlets server logs` and `server audit` run as root: commands without arguments, so that sudo can allow exactly these.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.clawdlets;
  names = import ../lib/names.nix;
  wrapper = import ../lib/wrapper.nix { inherit lib pkgs; };
  secretsDir =
    if cfg.secrets.hostDir == null then names.secretsDirOf cfg.hostName else cfg.secrets.hostDir;
in
{
  environment.systemPackages = [
    (wrapper {
      name = "clawdlets-logs";
      script = ../host/logs.sh;
      programs = [ pkgs.systemd ];
      environment = { };
    })
    (wrapper {
      name = "clawdlets-audit";
      script = ../host/audit.sh;
      programs = [
        pkgs.coreutils
        pkgs.findutils
        pkgs.iproute2
        pkgs.jq
        pkgs.nftables
      ]
      ++ lib.optional (cfg.tailnet.mode == "tailscale") config.services.tailscale.package;
      environment = {
        SSHD = "${config.services.openssh.package}/bin/sshd";
        SECRET_PATHS = builtins.concatStringsSep "\n" [
          cfg.secrets.ageKeyFile
          secretsDir
          names.hostKeyFile
          # Links to the current generation.
          "/run/secrets/"
          "/run/secrets-for-users/"
        ];
      };
    })
  ];
}
