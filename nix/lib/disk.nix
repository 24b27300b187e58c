# Disk layout for disko: GPT, what the firmware boots from, and one file system on the rest. Hetzner's x86 machines have BIOS, which
# needs 1 MiB for GRUB; its ARM machines have UEFI, which needs an EFI system partition: the kernels of all generations are there.
{ device, uefi }:
let
  bios = {
    size = "1M";
    type = "EF02";
  };
  esp = {
    size = "1G";
    type = "EF00";
    content = {
      type = "filesystem";
      format = "vfat";
      mountpoint = "/boot";
      # Only root may read the random seed that systemd-boot keeps here.
      mountOptions = [ "umask=0077" ];
    };
  };
in
{
  disk.main = {
    inherit device;
    type = "disk";
    content = {
      type = "gpt";
      partitions = (if uefi then { inherit esp; } else { inherit bios; }) // {
        root = {
          size = "100%";
          content = {
            type = "filesystem";
            format = "ext4";
            mountpoint = "/";
          };
        };
      };
    };
  };
}
