# A disk from `clawdlets image bake` has the host's system and no identity. As long as its marker exists, a generator makes the boot end in
# clawdlets-first-boot.target: network, firewall and a one-time sshd, but no bots, no tailnet and none of the host's own sshd. The operator's
# delivery deletes the marker and reboots.
{ pkgs, ... }:
let
  marker = "/var/lib/clawdlets/image";
in
{
  config.systemd = {
    generators.clawdlets-first-boot = "${pkgs.writeShellScript "clawdlets-first-boot-generator" ''
      # The second folder is the one that overrides /etc.
      [ ! -e ${marker} ] || ${pkgs.coreutils}/bin/ln -sf /etc/systemd/system/clawdlets-first-boot.target "$2/default.target"
    ''}";
    targets.clawdlets-first-boot = {
      description = "Waits for the identity of this host";
      # Not basic.target: it starts the timers, and ten minutes later the tailnet's would give the disk an identity.
      requires = [
        "sysinit.target"
        "sockets.target"
      ];
      after = [
        "sysinit.target"
        "sockets.target"
      ];
      wants = [ "clawdlets-first-boot.service" ];
    };
    services.clawdlets-first-boot = {
      description = "One-time SSH for the delivery of the host's identity";
      unitConfig.ConditionPathExists = marker;
      after = [
        "network-online.target"
        "nftables.service"
      ];
      wants = [
        "network-online.target"
        "nftables.service"
        "systemd-networkd.service"
      ];
      path = [
        pkgs.curl
        pkgs.gnused
        pkgs.nftables
        pkgs.openssh
      ];
      environment.SSHD = "${pkgs.openssh}/bin/sshd";
      serviceConfig = {
        # Commands of a session outlive the sshd that a reboot stops.
        KillMode = "process";
        Restart = "on-failure";
        RestartSec = 5;
      };
      script = builtins.readFile ../host/image/first-boot.sh;
    };
  };
}
