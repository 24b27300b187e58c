/**
 * Marks a disk without an identity: the host that it was baked for and, once a delivery has started, the installation's id. As long as
 * it exists, the system boots into nix/host/image/first-boot.sh only.
 */
export const imageMarker = "/var/lib/clawdlets/image";

/** Files that only one installation may have, as patterns relative to `/`: keys, secrets, tailnet, installation, data. */
export const identityPaths = [
  "var/lib/sops-nix",
  "var/lib/clawdlets/install-id",
  "var/lib/clawdlets/secrets",
  "var/lib/tailscale",
  "var/lib/clawdbot-*",
  "etc/ssh/ssh_host_*",
  "root/.ssh",
  "root/.bash_history",
  "home/*/.bash_history",
] as const;

/** Made by the installer or the boot loader. Deleted before the snapshot; each server then makes its own at its first boot. */
export const perBootPaths = ["etc/machine-id", "boot/loader/random-seed", "var/lib/systemd/random-seed"] as const;

/** Where nix/host/image/first-boot.sh keeps its keys, in memory: it exists until the reboot, even when the marker is gone. */
export const firstBootFolder = "/run/clawdlets-first-boot";

/** Prints everything of an identity below a folder, links and sockets included, but no folders. Fails without the marker: any other folder would prove nothing. */
export const findIdentity = (root: string, paths: readonly string[] = identityPaths): string =>
  // find fails for each path that does not exist.
  `cd ${root} && find ${paths.join(" ")} ! -type d 2>/dev/null; [ -e ${root}${imageMarker} ]`;
