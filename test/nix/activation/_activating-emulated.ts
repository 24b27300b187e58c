import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { ACTIVATE } from "../../../emulator/machine/commands/activate.ts";
import { ROOT } from "../../../emulator/machine/files/inode.ts";
import { layDebian, mountVolatile, write } from "../../../emulator/machine/files/root-filesystems.ts";
import { FileTree } from "../../../emulator/machine/files/tree.ts";
import { userNamed } from "../../../emulator/machine/files/users.ts";
import { Volume } from "../../../emulator/machine/files/volume.ts";
import { runCommand } from "../../../emulator/machine/shell.ts";
import { activate, exists, installSystem } from "../../../emulator/machine/system/activation.ts";
import { buildFor } from "../../../emulator/machine/system/building.ts";
import type { MachineControls } from "../../../emulator/machine/system/machine-controls.ts";
import { watch } from "../../../emulator/machine/system/switching.ts";
import { adminKey } from "../_host.ts";
import { nixos } from "../secrets/_emulated-host.ts";
import { type ActivatingHost, type Answer, commitTo, git, type State, type Trait } from "./_activating-host.ts";

const STATE = "/var/lib/clawdlets/activation/state.json";
const SECRETS = "/var/lib/clawdlets/secrets/hosts";
const KEY_FILE = "/var/lib/sops-nix/key.txt";

/** An installed machine of the emulator, in memory, whose flake is a real git repository; admin gives orders through sudo. */
export class ActivatingEmulated implements ActivatingHost {
  readonly repository = mkdtempSync(join(tmpdir(), "clawdlets-emulated-activation-"));
  #tree = new FileTree(new Volume(null));
  #boots = 1;
  #rebooting = false;
  #commits = 0;

  static async open(): Promise<ActivatingEmulated> {
    const host = new ActivatingEmulated();
    await git(host.repository, "init", "--quiet", "--initial-branch=main");
    const built = await buildFor(host.#host, host.#tree, host.repository, await host.commit());
    if (typeof built === "string") throw new Error(built);
    const problem = installSystem(host.#tree, "", built.system, "x86_64-linux") ?? activate(host.#tree, null);
    if (problem !== null) throw new Error(problem);
    return host;
  }

  private constructor() {
    onTestFinished(() => {
      this.#boots += 1; // Cancels everything that was scheduled.
      rmSync(this.repository, { recursive: true, force: true });
    });
    for (const name of ["stacks", "hosts"]) mkdirSync(join(this.repository, name));
    this.#writeStack([]);
    layDebian(this.#tree, "web-1");
    mountVolatile(this.#tree, this.bootId());
    write(this.#tree, KEY_FILE, "AGE-SECRET-KEY-1X\n", 0o400);
    this.changeSecret("old\n");
  }

  get #host(): MachineControls {
    const boot = this.#boots;
    return {
      ...nixos,
      activateSystem: (path) => activate(this.#tree, path),
      bootId: this.bootId(),
      reboot: () => {
        this.#rebooting = true;
      },
      later: (ms, act) => {
        setTimeout(() => {
          if (boot === this.#boots) void act();
        }, ms);
      },
    };
  }

  async order(text: string, ...args: string[]): Promise<Answer> {
    // sudo allows no arguments, so a call with arguments runs as root.
    const [name, command] = args.length === 0 ? ["admin", `sudo -n ${ACTIVATE}`] : ["root", "clawdlets-activate"];
    const host = this.#host;
    const user = userNamed(name, host.normalUsers);
    if (user === null) throw new Error(`no user ${name}`);
    const { signal } = new AbortController();
    const given = { machine: host, tree: this.#tree, user, stdin: Buffer.from(text), signal, faults: [] };
    const { exitCode, stdout, stderr } = await runCommand({ ...given, command: [command, ...args].join(" ") });
    return { exitCode, stdout: stdout.toString().trimEnd(), stderr: stderr.toString().trimEnd() };
  }

  state = () => JSON.parse(this.#read(STATE)) as State;
  running = () => this.#tree.existing("/run/current-system", ROOT).absolute;
  chosen = () => this.#tree.existing("/nix/var/nix/profiles/system", ROOT).absolute;
  bootId = () => `boot-${this.#boots}`;
  isRebooting = () => this.#rebooting;

  async commit(traits: readonly Trait[] = [], on: "main" | "other" | "fork" = "main"): Promise<string> {
    this.#commits += 1;
    const lines = traits.map((trait) => `# emulated: breaks ${trait}\n`).join("");
    const module = traits.includes("blind") ? "{ }" : "{ clawdlets.operator.rebuild = { enable = true; }; }";
    return await commitTo(this.repository, on, () => {
      writeFileSync(join(this.repository, "hosts/web-1.nix"), `# ${this.#commits}\n${lines}${module}\n`);
    });
  }

  async forget(commits: number): Promise<void> {
    await git(this.repository, "reset", "--quiet", "--hard", `HEAD~${commits}`);
  }

  trust(keys: readonly string[]): void {
    this.#writeStack(keys);
    write(this.#tree, "/run/current-system/etc/clawdlets/system-keys", keys.map((key) => `${key}\n`).join(""));
    write(this.#tree, "/run/current-system/etc/clawdlets/release-floor", "1000\n");
  }
  allowDowngrade = () => write(this.#tree, "/run/clawdlets-downgrade-allowed", "");
  lastRelease = () => {
    const path = "/var/lib/clawdlets/activation/release";
    return exists(this.#tree, path) ? this.#read(path).trim() : undefined;
  };

  #writeStack(systemKeys: readonly string[]): void {
    const lists = { adminSshKeys: [adminKey], systemKeys };
    const lines = Object.entries(lists).map(([key, list]) => `  clawdlets:${key}: ${JSON.stringify(list)}\n`);
    writeFileSync(join(this.repository, "stacks/Pulumi.web-1.yaml"), `config:\n${lines.join("")}`);
  }

  secret = () => this.#read(`${SECRETS}/web-1/alpha.yaml`);
  changeSecret = (text: string) => write(this.#tree, `${SECRETS}/web-1/alpha.yaml`, text, 0o400);
  changeIdentity = () => write(this.#tree, KEY_FILE, "AGE-SECRET-KEY-1Y\n", 0o400);
  keepsSecrets = () => this.#tree.find(`${SECRETS}/.web-1.kept`, ROOT).node !== null;

  async letTimePass(): Promise<void> {
    write(this.#tree, STATE, `${JSON.stringify({ ...this.state(), deadline: "1" })}\n`);
  }

  async reboot(): Promise<void> {
    this.#boots += 1;
    this.#rebooting = false;
    mountVolatile(this.#tree, this.bootId());
    activate(this.#tree, null);
    watch(this.#host, this.#tree);
  }

  #read = (path: string) => this.#tree.readFile(path, ROOT).toString();
}
