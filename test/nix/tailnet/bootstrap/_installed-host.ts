import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import type { Demo } from "../../../../cli/demo/prepare.ts";
import { shellQuoted } from "../../../../core/base/wording.ts";
import { authKeySecret } from "../../../../core/project/secrets/plan.ts";
import { decryptSecret } from "../../../../core/project/secrets/sops/sops.ts";
import type { ServerReport } from "../../../../emulator/index.ts";
import { whereIs } from "../../../_debian.ts";
import { controlUrl } from "../_control.ts";
import { type Joined, type Machine, type TailnetLab, until } from "../_lab.ts";

/** Where the emulated host keeps what was delivered to it. */
const delivered = {
  hostKey: "etc/ssh/ssh_host_ed25519_key",
  adminKeys: "etc/ssh/authorized_keys.d/admin",
  identity: "var/lib/sops-nix/key.txt",
};

interface Places {
  lab: TailnetLab;
  demo: Demo;
  /** The emulator's folder. */
  data: string;
  sops: string;
}

/**
 * An emulated host in the real tailnet. It follows the emulated machine: while that runs NixOS, a namespace of the lab has a real
 * sshd with the host key and the admin's keys from its disk, and a real tailscaled that joins by nix/host/join-tailnet.sh with the key
 * that real sops decrypts from its disk. A reboot restarts both, and a wiped disk takes tailscaled's state with it.
 *
 * The commands of an ssh session run on the emulated machine: this sshd hands them on.
 */
export class InstalledHost {
  /** What came of each run of the join script, in order. */
  readonly tries: Joined[] = [];
  readonly machine: Machine;
  readonly #places: Places;
  readonly #following: Promise<void>;
  #stopped = false;
  #hasJoined = false;
  #boot: Pick<ServerReport, "bootId" | "diskWipes"> | undefined;
  /** Ends when the host has joined, or has gone down. */
  #joining: Promise<void> = Promise.resolve();

  private constructor(machine: Machine, places: Places) {
    this.machine = machine;
    this.#places = places;
    this.#following = this.#follow();
    this.#following.catch(() => undefined); // stop() and untilJoined() throw it.
  }

  static async start(places: Places): Promise<InstalledHost> {
    const machine = await places.lab.machine("server");
    await machine.stop();
    // ssh sessions of "admin" have to enter the namespace of the emulated machine, so this admin is root.
    const etc = join("/etc/netns", places.lab.net.path("server"));
    const users = ["admin:x:0:0::/:/bin/sh", "root:x:0:0::/:/bin/sh", "sshd:x:74:74::/run/sshd:/usr/sbin/nologin"];
    writeFileSync(join(etc, "passwd"), `${users.join("\n")}\n`);
    mkdirSync("/run/sshd", { recursive: true });
    return new InstalledHost(machine, places);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#following;
    await this.#goDown();
  }

  /** Waits until the host runs and is in the tailnet. @throws the error that ended the following */
  async untilJoined(seconds = 60): Promise<void> {
    await Promise.race([until("the host has joined", async () => this.#hasJoined, seconds), this.#following]);
  }

  /** What the host's auth key is now, decrypted as sops-nix does it. */
  async authKey(): Promise<string> {
    const server = await this.#server();
    if (!server) throw new Error("the emulator has no server of this host");
    const file = `var/lib/clawdlets/secrets/hosts/${this.#places.demo.host}/${authKeySecret}.yaml`;
    const [path, identityFile] = [this.#onDisk(server, file), this.#onDisk(server, delivered.identity)];
    return await decryptSecret(this.#places.sops, { file: path, name: authKeySecret, identityFile });
  }

  /** Runs the join script once, as the unit does at a boot and after secrets were received. */
  async join(): Promise<Joined> {
    const settings = { UP_FLAGS: `--hostname=${this.#places.demo.host}`, LOGIN_SERVER: controlUrl, JOIN_SECONDS: "5" };
    const joined = await this.machine.join(await this.authKey(), settings);
    this.tries.push(joined);
    return joined;
  }

  async #server(): Promise<ServerReport | undefined> {
    const { demo } = this.#places;
    return (await demo.report()).servers.find(({ name }) => name === demo.host);
  }

  #onDisk({ id }: ServerReport, file: string): string {
    return join(this.#places.data, "machines", String(id), "disk", file);
  }

  async #follow(): Promise<void> {
    let wipes = 0;
    while (!this.#stopped) {
      const server = await this.#server();
      const runs = server?.os === "nixos" && server.isAnswering ? server : undefined;
      if (runs?.bootId !== this.#boot?.bootId) {
        await this.#goDown();
        if (server?.diskWipes !== wipes) this.machine.wipe();
        wipes = server?.diskWipes ?? 0;
        if (runs) await this.#start(runs);
      }
      await sleep(100);
    }
  }

  async #start(server: ServerReport): Promise<void> {
    this.#boot = server;
    await this.#startSsh(server);
    await this.machine.start();
    this.#joining = this.#joinUntilJoined();
    this.#joining.catch(() => undefined); // #goDown() throws it.
  }

  /** As the unit is repeated, with shorter pauses. */
  async #joinUntilJoined(): Promise<void> {
    while (this.#boot && !this.#stopped) {
      this.#hasJoined = (await this.join()).exitCode === 0;
      if (this.#hasJoined) return;
      await sleep(500);
    }
  }

  async #goDown(): Promise<void> {
    if (!this.#boot) return;
    this.#boot = undefined;
    await this.#joining;
    this.#hasJoined = false;
    await this.machine.stop();
    // sshd, and the sessions that it has.
    const { stdout } = await execa("ip", ["netns", "pids", this.#places.lab.net.path("server")]);
    for (const pid of stdout.split("\n").filter(Boolean)) process.kill(Number(pid), "SIGKILL");
  }

  async #startSsh(server: ServerReport): Promise<void> {
    const { demo, lab } = this.#places;
    const { folder } = this.machine;
    const operatorKey = join(demo.layout.root, "operator", "id_ed25519");
    const known = ["-o", `UserKnownHostsFile=${demo.layout.knownHosts}`, "-o", `HostKeyAlias=${demo.host}`];
    const login = ["-F", "none", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR", ...known, "-i", operatorKey];
    const target = ["-p", String(demo.sshPort), `admin@${server.tailnetIpv4}`];
    // sshd's own environment has a short PATH.
    const enter = [
      whereIs("nsenter") ?? "",
      `--net=/proc/${process.pid}/ns/net`,
      whereIs("ssh") ?? "",
      ...login,
      ...target,
    ];
    const forward = join(folder, "bin", "forward");
    const command = enter.map(shellQuoted).join(" ");
    writeFileSync(forward, `#!/bin/sh\nexec ${command} "$SSH_ORIGINAL_COMMAND"\n`, { mode: 0o755 });
    const lines = [
      `Port ${demo.sshPort}`,
      "ListenAddress 0.0.0.0",
      `HostKey ${this.#onDisk(server, delivered.hostKey)}`,
      `AuthorizedKeysFile ${this.#onDisk(server, delivered.adminKeys)}`,
      "PidFile none",
      "StrictModes no",
      "UsePAM no",
      "PermitRootLogin yes",
      "PasswordAuthentication no",
      "KbdInteractiveAuthentication no",
      `ForceCommand ${forward}`,
    ];
    const config = join(folder, "bin", "sshd_config");
    writeFileSync(config, `${lines.join("\n")}\n`);
    if (!existsSync(this.#onDisk(server, delivered.adminKeys))) throw new Error("the installed system has no admin");
    lab.net.start("server", whereIs("sshd") ?? "", ["-D", "-e", "-f", config]).all.resume();
  }
}
