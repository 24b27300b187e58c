import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { execa } from "execa";
import { onTestFinished } from "vitest";
import { UserError } from "../../../core/base/errors.ts";
import { publicKeyOf, replaceSshKey } from "../../../core/base/machine/ssh-keys.ts";
import { path } from "../../_debian.ts";
import { temporaryFolder } from "../../_project.ts";
import { repository } from "../../_repository.ts";
import { freePort } from "../../examples/_bucket.ts";

export const needs = { programs: ["nix", "nix-store", "nix-daemon", "sshd", "ssh", "sudo", "unshare"], root: true };

export interface MachineOptions {
  /** Further lines of nix.conf. */
  conf?: string;
  /** Further variables of an ssh command. */
  variables?: string;
  /** Size of its disk, as tmpfs takes it. @default `64m` */
  size?: string;
  /** Lines of sh before sshd starts. */
  setUp?: string;
  /** Public key file of who may log in as root. */
  operator: string;
}

/** A machine on loopback with the real sshd and nix, and a /nix of its own. Needs root. Gone after the test. */
export class NixMachine {
  readonly folder: string;
  readonly port: number;
  readonly #process: ChildProcess;

  static async start({
    conf = "",
    variables = "",
    size = "64m",
    setUp = "",
    operator,
  }: MachineOptions): Promise<NixMachine> {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "root"));
    await replaceSshKey(join(folder, "host"), "host");
    const common = "sandbox = false\nbuild-users-group =\nsubstituters =\nexperimental-features = nix-command\n";
    writeFileSync(join(folder, "nix.conf"), `${common}${conf}`);
    const port = await freePort();
    const options = {
      ListenAddress: "127.0.0.1",
      Port: port,
      HostKey: join(folder, "host"),
      AuthorizedKeysFile: operator,
      PermitRootLogin: "yes",
      UsePAM: "no",
      StrictModes: "no",
      PidFile: "none",
      AllowUsers: "root",
      SetEnv: `NIX_CONF_DIR=${folder} ${variables}`,
    };
    const lines = Object.entries(options).map(([key, value]) => `${key} ${value}\n`);
    writeFileSync(join(folder, "sshd_config"), lines.join(""));
    writeFileSync(
      join(folder, "start"),
      `set -eu\nexport NIX_CONF_DIR=${folder}\n${setUp}\nexec /usr/sbin/sshd -D -e -f ${folder}/sshd_config\n`,
    );
    const isolated = ["--mount", "--pid", "--fork", "--kill-child", "--ipc"];
    const words = [
      "sh",
      join(repository, "test/nix/push/_machine.sh"),
      join(folder, "root"),
      size,
      "sh",
      join(folder, "start"),
    ];
    const child = spawn("unshare", [...isolated, ...words], {
      env: { PATH: path, LC_ALL: "C" },
      stdio: ["ignore", "inherit", "pipe"],
    });
    const machine = new NixMachine(folder, port, child);
    onTestFinished(() => machine.kill());
    const said: string[] = [];
    const listening = new Promise<void>((resolve, reject) => {
      createInterface(child.stderr).on("line", (line) => {
        said.push(line);
        if (line.startsWith("Server listening")) resolve();
      });
      child.on("exit", () => reject(new Error(`the machine did not start: ${said.join("\n")}`)));
    });
    await listening;
    return machine;
  }

  private constructor(folder: string, port: number, child: ChildProcess) {
    this.folder = folder;
    this.port = port;
    this.#process = child;
  }

  get hostKey(): string {
    return publicKeyOf(join(this.folder, "host"));
  }

  /** Runs a line of sh as root in the machine. */
  async sh(line: string) {
    const [pid] = (await execa("pgrep", ["--parent", String(this.#process.pid)])).stdout.split("\n");
    const words = ["--target", String(pid), "--mount", "--pid", "--root", "--wd", "sh", "-c", line];
    return await execa("nsenter", words, {
      env: { PATH: path, NIX_CONF_DIR: this.folder, LC_ALL: "C" },
      extendEnv: false,
      reject: false,
    });
  }

  /** As a power cut: nothing says goodbye. */
  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await ended;
  }
}

/** For {@link MachineOptions.setUp}. */
export const startDaemon = "nix-daemon &\nuntil [ -S /nix/var/nix/daemon-socket/socket ]; do sleep 0.05; done";

/** A host's end of a copy: nix/host/receive-system.sh, real sudo before it, and a daemon that trusts one key. */
export const receivesSystems = (trustedKey: string): Pick<MachineOptions, "conf" | "setUp"> => ({
  conf: `trusted-public-keys = ${trustedKey}\n`,
  setUp: `receiver=/run/current-system/sw/bin/clawdlets-receive-system
printf '#!/bin/sh\\nexport RECEIVER=daemon NIX_CONF_DIR=%s\\nexec bash %s "$@"\\n' "$NIX_CONF_DIR" '${join(repository, "nix/host/receive-system.sh")}' >$receiver
chmod 755 $receiver
${startDaemon}`,
});

/** The operator's ssh key, store and project, and a flake with one small system. */
export class Operator {
  readonly folder = temporaryFolder();
  readonly key = join(this.folder, "operator");
  readonly publicKey = `${this.key}.pub`;
  readonly flakeFolder = join(this.folder, "flake");
  /** For process.env: nix's store is a folder, and asks no cache. */
  readonly environment = {
    NIX_REMOTE: `local?root=${join(this.folder, "store")}`,
    NIX_CONFIG: "build-users-group =\nsubstituters =\nsandbox = true\nsandbox-paths = /bin /usr /lib /lib64",
  };

  static async create(): Promise<Operator> {
    const operator = new Operator();
    await replaceSshKey(operator.key, "operator");
    return operator;
  }

  /**
   * Commits a flake with a system of one file and as many parts of 2 MB, all of them input-addressed: they need signatures.
   * @param lines of sh that make the file
   * @returns the pinned flake
   */
  async commit(lines: string, { parts = 0 } = {}): Promise<string> {
    mkdirSync(this.flakeFolder, { recursive: true });
    const nix = `{
  outputs = { self }:
    let
      make = name: parts: lines: derivation {
        inherit name parts;
        system = "x86_64-linux";
        builder = "/bin/sh";
        PATH = "/usr/bin:/bin";
        args = [ "-euc" lines ];
      };
      part = n: make "part-\${toString n}" [ ] "head -c 2000000 /dev/urandom >$out";
    in {
      nixosConfigurations.web-1.config.system.build.toplevel =
        make "nixos-system-web-1" (builtins.genList part ${parts}) ${JSON.stringify(lines).replaceAll("${", "\\${")};
    };
}
`;
    writeFileSync(join(this.flakeFolder, "flake.nix"), nix);
    const git = (...args: string[]) =>
      execa("git", ["-C", this.flakeFolder, "-c", "user.name=t", "-c", "user.email=t@example.invalid", ...args]);
    await git("init", "--quiet", "--initial-branch=main");
    await git("add", "--all");
    await git("commit", "--quiet", "--allow-empty", "-m", "system");
    const { stdout } = await git("rev-parse", "HEAD");
    return `git+file://${this.flakeFolder}?rev=${stdout}#web-1`;
  }

  /** nix on the operator's machine. */
  async nix(...args: string[]) {
    return await execa("nix", ["--extra-experimental-features", "nix-command", ...args], {
      env: { ...this.environment, PATH: path },
      reject: false,
    });
  }
}

/** A line between two machines that can be held and cut. */
export class Line {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #bytes = 0;
  #replied = 0;
  #cutReplyAfter: number | undefined;
  #holdAfter: number | undefined;
  #held: (() => void) | undefined;
  #until: Promise<void> | undefined;

  static async to(port: number): Promise<Line> {
    const line = new Line(port);
    line.#server.listen(0, "127.0.0.1");
    await once(line.#server, "listening");
    onTestFinished(() => line.close());
    return line;
  }

  private constructor(port: number) {
    this.#server = createServer((near) => {
      const far = connect(port, "127.0.0.1");
      for (const socket of [near, far]) {
        this.#sockets.add(socket);
        socket.on("error", () => undefined);
        socket.on("close", () => {
          this.#sockets.delete(socket);
          near.destroy();
          far.destroy();
        });
      }
      far.on("data", (data) => {
        this.#replied += data.length;
        near.write(data);
        if (this.#cutReplyAfter === undefined || this.#replied < this.#cutReplyAfter) return;
        this.#cutReplyAfter = undefined;
        this.cut();
      });
      near.on("data", (data) => {
        this.#bytes += data.length;
        far.write(data);
        if (this.#holdAfter === undefined || this.#bytes < this.#holdAfter) return;
        this.#holdAfter = undefined;
        near.pause();
        void this.#until?.then(() => near.resume());
        this.#held?.();
      });
    });
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  /** Stops what goes to the far end after so many bytes. @returns when it has stopped, and what lets it go on */
  holdAfter(bytes: number): { held: Promise<void>; release: () => void } {
    this.#bytes = 0;
    this.#holdAfter = bytes;
    let release = (): void => undefined;
    this.#until = new Promise<void>((resolve) => {
      release = resolve;
    });
    const held = new Promise<void>((resolve) => {
      this.#held = resolve;
    });
    return { held, release };
  }

  /** Ends every connection once the far end has sent so many bytes. */
  cutReplyAfter(bytes: number): void {
    this.#replied = 0;
    this.#cutReplyAfter = bytes;
  }

  /** Ends every connection; new ones are accepted. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.cut();
    await closed;
  }
}

/** The error that work ends with. */
export async function problemOf(work: Promise<unknown>): Promise<UserError> {
  const error = await work.then(
    (): unknown => new Error("it succeeded"),
    (reason: unknown) => reason,
  );
  if (error instanceof UserError) return error;
  throw error;
}
