import type { User } from "../files/users.ts";

/** What commands and systemd units of a machine may do to it. */
export interface MachineControls {
  readonly os: "debian" | "installer" | "nixos";
  readonly hostname: string;
  readonly architecture: "x86" | "arm";
  /** Whether the server has a public IPv4 address. */
  readonly hasIpv4: boolean;
  readonly normalUsers: readonly string[];
  /** While cloud-init is still at work: resolves when it ends, or the machine goes down. */
  readonly cloudInit: Promise<void> | null;
  isMounted(): boolean;
  /** Boots the installer without the firmware: memory is new, the disk stays. Takes effect a little later. */
  kexec(): void;
  reboot(): void;
  powerOff(): void;
  /** What disko does: an empty disk, mounted on /mnt. */
  formatDisk(): void;
  /** @returns an error text, or null. */
  installSystem(systemPath: string): string | null;
  activateSystem(systemPath: string): string | null;
  /** Of this boot. */
  readonly bootId: string;
  /** Does something in a while, as a unit of the machine's own would; not if it goes down before. */
  later(ms: number, act: () => void | Promise<void>): void;
  /** Runs a command after its session has ended, as `nohup … &` does. */
  runDetached(command: string, user: User): void;
}
