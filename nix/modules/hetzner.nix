# A Hetzner Cloud machine: BIOS on x86 and UEFI on ARM, virtio, DHCP for IPv4. For IPv6 there is no DHCP: a server has a /64 that stands in the
# console and in the metadata service, and its gateway is always fe80::1 (docs.hetzner.com; cloud-init, DataSourceHetzner).
{
  config,
  lib,
  modulesPath,
  pkgs,
  ...
}:
let
  cfg = config.clawdlets;
  isArm = pkgs.stdenv.hostPlatform.isAarch64;
in
{
  imports = [ "${modulesPath}/profiles/qemu-guest.nix" ];

  options.clawdlets.ipv6Address = lib.mkOption {
    type = lib.types.nullOr lib.types.str;
    default = null;
    example = "2001:db8:1:2::1/64";
    description = ''
      The IPv6 address of the host's public interface with its prefix, out of the /64 that Hetzner shows for it. Without it
      the host asks Hetzner's metadata service at boot. A host without IPv4 falls back on the address that its installation
      left. Keep a real address out of a public repository.
    '';
  };

  config = {
    assertions = [
      {
        assertion =
          cfg.ipv6Address == null || builtins.match "[0-9a-fA-F:]+/[0-9]{1,3}" cfg.ipv6Address != null;
        message = ''clawdlets.ipv6Address is "${toString cfg.ipv6Address}"; allowed: an IPv6 address and its prefix, e.g. "2001:db8:1:2::1/64", or null.'';
      }
    ];

    boot = {
      loader = {
        grub = {
          enable = !isArm;
          efiSupport = false;
          useOSProber = false;
        };
        # As srvos does on this hardware (nixos/hardware/hetzner-cloud/arm.nix).
        systemd-boot = {
          enable = isArm;
          # Otherwise anyone at the console can boot a shell as root.
          editor = false;
          configurationLimit = lib.mkDefault 10;
        };
        efi.canTouchEfiVariables = isArm;
      };
      initrd = {
        availableKernelModules = [
          "ahci"
          "sd_mod"
          "virtio_blk"
          "virtio_net"
          "virtio_pci"
          "virtio_scsi"
          "xhci_pci"
        ];
        # The screen of an ARM machine, from the first line on.
        kernelModules = lib.optional isArm "virtio_gpu";
      };
      # Hetzner's console in the browser shows the screen; the serial line is for virtual machines elsewhere.
      kernelParams = [
        (if isArm then "console=ttyAMA0,115200" else "console=ttyS0,115200")
        "console=tty0"
      ];
    };

    networking = {
      useDHCP = false;
      useNetworkd = true;
    };
    systemd.network = {
      networks."10-uplink" = {
        matchConfig.Name = "en*";
        networkConfig = {
          DHCP = "ipv4";
          IPv6AcceptRA = true;
        };
        # Only clawdlets.nameservers as resolvers, none from DHCP.
        dhcpV4Config.UseDNS = false;
        ipv6AcceptRAConfig.UseDNS = false;
      };
      # A private network without DHCP would delay everything that waits for the network.
      wait-online.anyInterface = lib.mkDefault true;
    };

    # Not in 10-uplink, which matches every interface: a private network's would get the public address and route, too. Only root asks
    # the metadata service, once per boot and only for this; bots can never reach it (egress.nix).
    systemd.services.clawdlets-ipv6 = {
      description = "IPv6 address of the public interface";
      wantedBy = [ "multi-user.target" ];
      after = [ "network-online.target" ];
      wants = [ "network-online.target" ];
      path = [
        pkgs.curl
        pkgs.gnused
        pkgs.iproute2
      ];
      environment = lib.mkIf (cfg.ipv6Address != null) { ADDRESS = cfg.ipv6Address; };
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        Restart = "on-failure";
        RestartSec = 30;
        TimeoutStartSec = 120;
      };
      script = builtins.readFile ../host/hetzner-ipv6.sh;
    };

    services.qemuGuest.enable = lib.mkDefault true;
  };
}
