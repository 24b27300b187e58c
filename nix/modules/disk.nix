# The disk that disko partitions during the installation. Import disko's own module as well (flake.nix does).
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.clawdlets;
  text = import ../lib/text.nix;
  inherit (config.boot.loader) grub;
in
{
  options.clawdlets.diskDevice = lib.mkOption {
    type = lib.types.str;
    default = "/dev/sda";
    example = "/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_12345678";
    description = "The disk that the installation WIPES and the host boots from. Hetzner Cloud servers have one, /dev/sda.";
  };

  config = {
    assertions = [
      {
        assertion =
          builtins.match "/dev/[A-Za-z0-9/_:.-]+" cfg.diskDevice != null
          && builtins.match ".*CHANGE_ME.*" cfg.diskDevice == null;
        message = ''clawdlets.diskDevice is "${cfg.diskDevice}"; allowed: the path of a whole disk, e.g. "/dev/sda", which the installation wipes.'';
      }
      {
        # disko adds the disk to boot.loader.grub.devices, and nixpkgs refuses duplicates there.
        assertion = !grub.enable || grub.device == "";
        message = ''boot.loader.grub.device is "${grub.device}". Remove it: GRUB is installed to clawdlets.diskDevice, "${cfg.diskDevice}".'';
      }
      {
        assertion = !grub.enable || grub.device != "" || text.unique grub.devices == grub.devices;
        message = "boot.loader.grub.devices has a disk twice: ${builtins.toJSON grub.devices}. Remove yours: clawdlets.diskDevice is added automatically.";
      }
    ];
    # On x86, GRUB's device comes from the EF02 partition: disko sets boot.loader.grub.devices.
    disko.devices = import ../lib/disk.nix {
      device = cfg.diskDevice;
      uefi = pkgs.stdenv.hostPlatform.isAarch64;
    };
  };
}
