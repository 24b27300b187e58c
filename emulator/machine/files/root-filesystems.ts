import { Buffer } from "node:buffer";
import { ROOT } from "./inode.ts";
import type { FileTree } from "./tree.ts";
import { directory, Volume } from "./volume.ts";

const DEBIAN_RELEASE =
  'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nNAME="Debian GNU/Linux"\nVERSION_ID="13"\nID=debian\n';
/** A CD drive, and the one disk of every Hetzner server with its partition. */
const PARTITIONS = `major minor  #blocks  name

  11        0       1024 sr0
   8        0   80003072 sda
   8        1   79870959 sda1
`;
const INSTALLER_RELEASE = 'NAME=NixOS\nID=nixos\nVERSION_ID="25.11"\nVARIANT_ID=installer\n';

export function write(tree: FileTree, path: string, content: string, mode = 0o644): void {
  tree.makeDirectories(path.replace(/\/[^/]*$/, "") || "/", ROOT);
  tree.writeFile(path, Buffer.from(content), ROOT, mode);
  tree.existing(path, ROOT).node.mode = mode;
}

/** What an image holds before cloud-init ran. */
export function layDebian(tree: FileTree, hostname: string): void {
  for (const path of ["/home", "/var/lib", "/usr/bin"]) tree.makeDirectories(path, ROOT);
  tree.makeDirectory("/root", ROOT, 0o700);
  tree.makeDirectory("/tmp", ROOT, 0o1777);
  write(tree, "/etc/os-release", DEBIAN_RELEASE);
  write(tree, "/etc/hostname", `${hostname}\n`);
}

/** The installer keeps the host keys and authorized keys of the system it replaces: that is what makes it reachable. */
export function layInstaller(memory: FileTree, disk: FileTree): void {
  memory.makeDirectory("/root", ROOT, 0o700);
  memory.makeDirectories("/root/.ssh", ROOT, 0o700);
  memory.makeDirectory("/tmp", ROOT, 0o1777);
  memory.makeDirectories("/mnt", ROOT);
  write(memory, "/etc/os-release", INSTALLER_RELEASE);
  write(memory, "/etc/hostname", "nixos-installer\n");
  for (const path of [
    "/etc/ssh/ssh_host_ed25519_key",
    "/etc/ssh/ssh_host_ed25519_key.pub",
    "/root/.ssh/authorized_keys",
  ]) {
    const place = disk.find(path, ROOT);
    if (place.node !== null) write(memory, path, disk.readFile(path, ROOT).toString(), place.node.mode);
  }
}

/** /proc, /run and /dev: made at every boot, gone at the next. */
export function mountVolatile(tree: FileTree, bootId: string): void {
  for (const path of ["/proc", "/run", "/dev"]) tree.mounts.set(path, new Volume(null));
  for (const name of ["proc", "run", "dev"]) {
    const root = tree.mounts.get("/")?.root;
    if (root !== undefined && !root.children.has(name)) root.children.set(name, directory(0o755));
  }
  write(tree, "/proc/sys/kernel/random/boot_id", `${bootId}\n`, 0o444);
  write(tree, "/proc/uptime", "1.00 1.00\n", 0o444);
  write(tree, "/dev/null", "", 0o666);
  write(tree, "/proc/partitions", PARTITIONS, 0o444);
  writeMounts(tree);
}

/** Writes the list of mounts, for commands that read it. */
export function writeMounts(tree: FileTree): void {
  const hasDisk = tree.mounts.has("/mnt");
  write(
    tree,
    "/proc/mounts",
    `${hasDisk ? "/dev/sda2 /mnt ext4 rw,relatime 0 0\n" : ""}proc /proc proc rw 0 0\n`,
    0o444,
  );
}
