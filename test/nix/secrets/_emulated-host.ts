import { RECEIVE_SECRETS } from "../../../emulator/machine/commands/secrets.ts";
import { type Node, ROOT } from "../../../emulator/machine/files/inode.ts";
import { layDebian, mountVolatile, write } from "../../../emulator/machine/files/root-filesystems.ts";
import { FileTree } from "../../../emulator/machine/files/tree.ts";
import { userNamed } from "../../../emulator/machine/files/users.ts";
import { Volume } from "../../../emulator/machine/files/volume.ts";
import { type CommandFault, runCommand } from "../../../emulator/machine/shell.ts";
import type { MachineControls } from "../../../emulator/machine/system/machine-controls.ts";
import { type Answer, type Contents, line, type ReceivingHost } from "./_receiving-host.ts";

const nothing = () => undefined;
/** An installed machine that does nothing of what it is told. */
export const nixos: MachineControls = {
  os: "nixos",
  hostname: "web-1",
  architecture: "x86",
  hasIpv4: true,
  normalUsers: ["admin"],
  cloudInit: null,
  isMounted: () => false,
  kexec: nothing,
  reboot: nothing,
  powerOff: nothing,
  formatDisk: nothing,
  installSystem: () => null,
  activateSystem: () => null,
  runDetached: nothing,
  bootId: "boot",
  later: nothing,
};

const FOLDERS = { hosts: "/var/lib/clawdlets/secrets/hosts", "sops-nix": "/var/lib/sops-nix" } as const;
const LOG = "/run/clawdlets-emulated-units.log";

/** An installed machine of the emulator, in memory; what is sent comes from admin by sudo, as over ssh. */
export class EmulatedHost implements ReceivingHost {
  readonly tree = new FileTree(new Volume(null));
  faults: CommandFault[] = [];
  readonly #guest: MachineControls;

  constructor({ secrets, key }: Contents, os: MachineControls["os"] = "nixos") {
    this.#guest = { ...nixos, os };
    layDebian(this.tree, "web-1");
    mountVolatile(this.tree, "boot");
    this.tree.makeDirectories(FOLDERS.hosts, ROOT);
    if (secrets !== null) this.tree.makeDirectories(`${FOLDERS.hosts}/web-1`, ROOT);
    for (const [name, content] of Object.entries(secrets ?? {})) {
      write(this.tree, `${FOLDERS.hosts}/web-1/${name}`, content.toString());
    }
    write(this.tree, `${FOLDERS["sops-nix"]}/key.txt`, key, 0o400);
  }

  /** Arguments sudo does not let through, so with some it is root who runs it. */
  send(input: Buffer, ...args: string[]): Promise<Answer> {
    if (args.length === 0) return this.run("admin", `sudo -n ${RECEIVE_SECRETS}`, input);
    return this.run("root", ["clawdlets-receive-secrets", ...args].join(" "), input);
  }

  async run(name: string, command: string, stdin: Buffer = Buffer.alloc(0)): Promise<Answer> {
    const user = userNamed(name, nixos.normalUsers);
    if (user === null) throw new Error(`no user ${name}`);
    const { signal } = new AbortController();
    const given = { machine: this.#guest, tree: this.tree, user, command, stdin, signal, faults: this.faults };
    const { exitCode, stdout, stderr } = await runCommand(given);
    return { status: exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
  }

  async files(): Promise<Record<string, string>> {
    const found: Record<string, string> = {};
    const visit = (node: Node, path: string, at: string) => {
      if (node.kind !== "dir") {
        const content = this.tree.readFile(at, ROOT);
        found[path] = line(node.mode, `${node.uid}:${node.gid}`, content);
        return;
      }
      if (path.includes("/")) found[path] = line(node.mode, `${node.uid}:${node.gid}`, "folder");
      for (const [name, child] of node.children) visit(child, `${path}/${name}`, `${at}/${name}`);
    };
    for (const [name, at] of Object.entries(FOLDERS)) visit(this.tree.existing(at, ROOT).node, name, at);
    return Object.fromEntries(Object.entries(found).sort(([one], [other]) => (one < other ? -1 : 1)));
  }

  async keyText(): Promise<string> {
    return this.tree.readFile(`${FOLDERS["sops-nix"]}/key.txt`, ROOT).toString();
  }

  async units(): Promise<string[]> {
    if (this.tree.find(LOG, ROOT).node === null) return [];
    return this.tree.readFile(LOG, ROOT).toString().split("\n").filter(Boolean);
  }

  /** By number of the call, as faults know no arguments: the first is for the service, the second for the target. */
  failUnit(unit: string | null): void {
    const fail = { command: "systemctl", exitCode: 1, stderr: "Job failed", times: 1, hangs: false };
    const pass = { ...fail, exitCode: 0, stderr: "" };
    this.faults = unit === null ? [] : unit.endsWith(".service") ? [fail] : [pass, fail];
  }

  async allowPassword(): Promise<void> {
    await this.run("root", "touch /run/clawdlets-password-may-change");
  }

  async plant(path: string, content: string): Promise<void> {
    const [top = "", ...rest] = path.split("/");
    write(this.tree, [top === "hosts" ? FOLDERS.hosts : FOLDERS["sops-nix"], ...rest].join("/"), content);
  }
}
