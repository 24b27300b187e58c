import { randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { ServerRecord } from "../cloud/types.ts";
import { ROOT } from "./files/inode.ts";
import { layDebian, layInstaller, mountVolatile, write, writeMounts } from "./files/root-filesystems.ts";
import { FileTree } from "./files/tree.ts";
import type { User } from "./files/users.ts";
import { Volume } from "./files/volume.ts";
import type { CommandFault } from "./shell.ts";
import {
  activate,
  exists,
  hasPublicSsh,
  hasTailscaleKey,
  installSystem,
  isBroken,
  normalUsers,
} from "./system/activation.ts";
import type { MachineControls } from "./system/machine-controls.ts";

/** How long who is still connected has to leave, once the machine was told to go down and the last session has ended. */
const GOING_DOWN_MS = 500;

/**
 * From kexec or a reboot to ssh, at the least. nixos-anywhere waits without end for a look that finds nobody; its first comes
 * right away, on a busy machine somewhat later, and after that the port would stay open for ever.
 */
const DOWN_MS = 500;

/** How long sshd takes connections from nobody while it is restarted. */
const SSHD_RESTART_MS = 50;

/** As in nix/host/image/first-boot.sh. */
export const firstBootFolder = "/run/clawdlets-first-boot";

const hostKeyPath = "/etc/ssh/ssh_host_ed25519_key";

/** A snapshot's disk. */
export interface ImageDisk {
  folder: string;
  boots: ServerRecord["machine"]["disk"];
}

export interface MachineOptions {
  dir: string;
  bootMs: number;
  architecture: "x86" | "arm";
  /** Called when the machine starts or stops answering, and when what is kept of it changed. */
  onChange: () => void;
  /** Called when everything that is connected loses its connection. */
  onDown: () => void;
  readFirstBoot: (
    server: ServerRecord,
  ) => Promise<{ hostKey: string; publicHostKey: string; authorizedKeys: string[] }>;
}

/** The computer behind one server: Debian, then the installer in memory, then NixOS, on one disk. */
export class Machine implements MachineControls {
  readonly server: ServerRecord;
  readonly faults: CommandFault[] = [];
  tailnetUp = true;
  /** As if the host had been switched to a system with public ssh. */
  publicSshUp = false;
  networkUp = true;
  readonly #options: MachineOptions;
  readonly #disk: Volume;
  #memory: Volume | null = null;
  #tree: FileTree | null = null;
  #isAnswering = false;
  #generation = 0;
  #sessions = 0;
  #connections = 0;
  #goingDown: (() => void) | null = null;
  #isFirstBoot = false;
  #cloudInit: { ended: Promise<void>; end: () => void } | null = null;

  constructor(server: ServerRecord, options: MachineOptions) {
    this.server = server;
    this.#options = options;
    this.#disk = new Volume(join(options.dir, "disk"));
  }

  get os(): MachineControls["os"] {
    return this.server.machine.os;
  }
  get hasIpv4(): boolean {
    return this.server.ipv4 !== null;
  }

  get architecture(): "x86" | "arm" {
    return this.#options.architecture;
  }
  get hostname(): string {
    return this.tree.readFile("/etc/hostname", ROOT).toString().trim();
  }
  get normalUsers(): readonly string[] {
    return this.os === "nixos" ? normalUsers(this.tree) : [];
  }
  /** Whether sshd is up. */
  get isAnswering(): boolean {
    return this.#isAnswering && !this.#breaks("sshd") && !this.#breaks("firewall");
  }
  /** Whether sshd is reached on the public addresses, as far as the host's own firewall goes. */
  get answersInPublic(): boolean {
    return (
      this.isAnswering && (this.publicSshUp || this.os !== "nixos" || this.awaitsIdentity || hasPublicSsh(this.tree))
    );
  }
  /** While cloud-init is still at work: resolves when it ends, or the machine goes down. */
  get cloudInit(): Promise<void> | null {
    return this.#cloudInit?.ended ?? null;
  }
  /** Whether the system of a baked snapshot waits for its identity: nothing but a one-time sshd runs. */
  get awaitsIdentity(): boolean {
    return this.#tree !== null && this.os === "nixos" && exists(this.#tree, `${firstBootFolder}/host_key`);
  }
  get isOnTailnet(): boolean {
    if (this.awaitsIdentity) return false;
    const isUp = this.isAnswering && this.tailnetUp && this.os === "nixos";
    return isUp && !this.#breaks("tailnet") && hasTailscaleKey(this.tree);
  }
  get tree(): FileTree {
    if (this.#tree === null) throw new Error(`emulator: ${this.server.name} is not running`);
    return this.#tree;
  }

  #breaks(what: string): boolean {
    return this.#tree !== null && this.os === "nixos" && isBroken(this.#tree, "/etc", what);
  }

  copyDiskTo(folder: string): void {
    const copy = new Volume(folder);
    copy.copyFrom(this.#disk);
    copy.flush();
  }

  /** A disk with the image on it, as user_data wants it. @param image a snapshot. @default Debian */
  async freshDisk(image?: ImageDisk): Promise<void> {
    const generation = this.#stop();
    const { machine } = this.server;
    machine.disk = image?.boots ?? "debian";
    machine.os = machine.disk === "nixos" ? "nixos" : "debian";
    machine.mounted = false;
    const first = await this.#options.readFirstBoot(this.server);
    if (generation !== this.#generation) return;
    this.#isFirstBoot = true;
    if (image === undefined) this.#disk.wipe();
    else this.#disk.copyFrom(new Volume(image.folder));
    // NixOS has no cloud-init: it boots as it was.
    if (machine.disk !== "debian") return;
    const tree = new FileTree(this.#disk);
    if (image === undefined) layDebian(tree, this.server.name);
    write(tree, hostKeyPath, first.hostKey, 0o600);
    write(tree, `${hostKeyPath}.pub`, first.publicHostKey);
    write(tree, "/root/.ssh/authorized_keys", `${first.authorizedKeys.join("\n")}\n`, 0o600);
    tree.existing("/root/.ssh", ROOT).node.mode = 0o700;
    if (this.server.userData !== null)
      write(tree, "/var/lib/cloud/instance/user-data.txt", this.server.userData, 0o600);
  }

  /** Power on, or reset: boots what is on the disk. @param leastMs until it answers, where it boots faster */
  boot(leastMs = 0): void {
    this.#start(() => {
      const { machine } = this.server;
      machine.bootId = randomUUID();
      machine.mounted = false;
      this.#dropMemory();
      if (machine.disk === "empty") return false;
      machine.os = machine.disk;
      return true;
    }, leastMs);
  }

  /** After the emulator was stopped: the machine itself never noticed. */
  resume(): void {
    this.#start(() => this.server.machine.disk !== "empty" || this.server.machine.os === "installer");
  }

  halt(): void {
    this.#stop();
  }

  destroy(): void {
    this.#stop();
    this.#disk.flush();
    rmSync(this.#options.dir, { recursive: true, force: true });
  }

  flush(): void {
    this.#disk.flush();
    this.#memory?.flush();
  }

  sessionStarted(): void {
    this.#sessions += 1;
  }

  sessionEnded(): void {
    this.#sessions -= 1;
    this.#goDown();
  }

  connected(): void {
    this.#connections += 1;
  }

  disconnected(): void {
    this.#connections -= 1;
    this.#goDown();
  }

  isMounted(): boolean {
    return this.server.machine.mounted;
  }

  kexec(): void {
    this.#soon(() => {
      const before = this.tree;
      this.#start(() => {
        const { machine } = this.server;
        machine.bootId = randomUUID();
        machine.os = "installer";
        machine.mounted = false;
        // By way of a copy: an installer that starts another one would otherwise erase what it takes along.
        const taken = new FileTree(new Volume(null));
        layInstaller(taken, before);
        const memory = this.#installerMemory();
        memory.wipe();
        layInstaller(new FileTree(memory), taken);
        return true;
      }, DOWN_MS);
    });
  }

  reboot(): void {
    this.#soon(() => this.boot(DOWN_MS));
  }

  powerOff(): void {
    this.#soon(() => {
      this.server.machine.powered = false;
      this.server.status = "off";
      this.#stop();
    });
  }

  formatDisk(): void {
    const { machine } = this.server;
    machine.diskWipes += 1;
    machine.disk = "empty";
    machine.mounted = true;
    this.#disk.wipe();
    this.tree.mounts.set("/mnt", this.#disk);
    writeMounts(this.tree);
    this.#options.onChange();
  }

  installSystem(systemPath: string): string | null {
    const nixSystem = this.architecture === "arm" ? "aarch64-linux" : "x86_64-linux";
    const problem = installSystem(this.tree, "/mnt", systemPath, nixSystem);
    if (problem !== null) return problem;
    this.server.machine.disk = "nixos";
    this.server.machine.installRuns += 1;
    this.#options.onChange();
    return null;
  }

  activateSystem(systemPath: string): string | null {
    const problem = activate(this.tree, systemPath);
    // sshd and firewall may let in others than before.
    this.#options.onChange();
    return problem;
  }

  get bootId(): string {
    return this.server.machine.bootId;
  }

  later(ms: number, act: () => void | Promise<void>): void {
    const generation = this.#generation;
    setTimeout(() => {
      if (generation === this.#generation) void act();
    }, ms);
  }

  runDetached(command: string, user: User): void {
    const generation = this.#generation;
    void import("./shell.ts").then(async ({ runCommand }) => {
      if (generation !== this.#generation) return;
      const signal = new AbortController().signal;
      await runCommand({
        machine: this,
        tree: this.tree,
        user,
        command,
        stdin: Buffer.alloc(0),
        signal,
        faults: this.faults,
      });
    });
  }

  /** @param prepare says whether there is anything that can start. @param leastMs until it answers, where it boots faster */
  #start(prepare: () => boolean, leastMs = 0): void {
    const generation = this.#stop();
    if (!prepare()) {
      this.#options.onChange();
      return;
    }
    const root = this.os === "installer" ? this.#installerMemory() : this.#disk;
    const tree = new FileTree(root);
    if (this.os === "installer" && this.server.machine.mounted) tree.mounts.set("/mnt", this.#disk);
    mountVolatile(tree, this.server.machine.bootId);
    if (this.os === "nixos") activate(tree, null);
    this.#tree = tree;
    setTimeout(
      () => {
        if (generation !== this.#generation) return;
        if (this.os === "nixos" && exists(tree, "/var/lib/clawdlets/image")) void this.#awaitIdentity(generation, tree);
        else if (this.os === "nixos" && !exists(tree, hostKeyPath)) void this.#firstStart(generation, tree);
        else this.#startAnswering(tree);
      },
      Math.max(this.#options.bootMs, leastMs),
    );
  }

  async #firstStart(generation: number, tree: FileTree): Promise<void> {
    const { newHostKey } = await import("./first-boot.ts");
    if (generation !== this.#generation) return;
    const { hostKey, publicHostKey } = newHostKey();
    write(tree, hostKeyPath, hostKey, 0o600);
    write(tree, `${hostKeyPath}.pub`, publicHostKey);
    this.#startAnswering(tree);
  }

  /** What nix/host/image/first-boot.sh does: keys from user_data, in memory. */
  async #awaitIdentity(generation: number, tree: FileTree): Promise<void> {
    const { hostKey, authorizedKeys } = await this.#options.readFirstBoot(this.server);
    if (generation !== this.#generation) return;
    write(tree, `${firstBootFolder}/host_key`, hostKey, 0o600);
    write(tree, `${firstBootFolder}/authorized_keys`, `${authorizedKeys.join("\n")}\n`, 0o600);
    this.#startAnswering(tree);
  }

  #startAnswering(tree: FileTree): void {
    this.#isAnswering = true;
    if (this.os === "debian" && this.#isFirstBoot) this.#runCloudInit();
    this.#options.onChange();
    if (this.os === "nixos") void import("./system/switching.ts").then(({ watch }) => watch(this, tree));
  }

  /** Its last stages run when sshd answers already, and `ssh_pwauth` restarts that. @see cloud-init, cc_set_passwords */
  #runCloudInit(): void {
    this.#isFirstBoot = false;
    let resolve: () => void;
    const ended = new Promise<void>((resolved) => {
      resolve = resolved;
    });
    const end = () => {
      this.#cloudInit = null;
      resolve();
    };
    this.#cloudInit = { ended, end };
    const answer = (isAnswering: boolean) => {
      this.#isAnswering = isAnswering;
      this.#options.onChange();
    };
    this.later(this.#options.bootMs, async () => {
      const { readUserData } = await import("./cloud-init.ts");
      if (this.#cloudInit?.end !== end) return; // It went down meanwhile.
      if (!readUserData(this.server.userData).setsPasswordAuthentication) return end();
      answer(false);
      this.later(SSHD_RESTART_MS, () => {
        answer(true);
        end();
      });
    });
  }

  #stop(): number {
    this.#isAnswering = false;
    this.#generation += 1;
    this.#goingDown = null;
    this.#cloudInit?.end();
    this.#options.onDown();
    this.#options.onChange();
    return this.#generation;
  }

  /** Shuts down after the caller has received its exit status and disconnected, like the few seconds of a real shutdown. */
  #soon(act: () => void): void {
    this.#goingDown = act;
    this.#goDown();
  }

  #goDown(): void {
    const act = this.#goingDown;
    if (act === null || this.#sessions > 0) return;
    setTimeout(
      () => {
        if (act === this.#goingDown) act();
      },
      this.#connections === 0 ? 0 : GOING_DOWN_MS,
    );
  }

  #installerMemory(): Volume {
    this.#memory ??= new Volume(join(this.#options.dir, "memory"));
    return this.#memory;
  }

  #dropMemory(): void {
    this.#memory?.wipe();
    this.#memory = null;
  }
}
