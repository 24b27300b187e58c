# Disk layout for disko: GPT, 1 MiB for GRUB (Hetzner's x86 machines boot with BIOS), and one file system on the rest.
device: {
  disk.main = {
    inherit device;
    type = "disk";
    content = {
      type = "gpt";
      partitions = {
        bios = {
          size = "1M";
          type = "EF02";
        };
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
