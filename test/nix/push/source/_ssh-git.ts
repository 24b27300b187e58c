import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { execa } from "execa";
import { onTestFinished, vi } from "vitest";
import { publicKeyOf, replaceSshKey } from "../../../../core/base/machine/ssh-keys.ts";
import { path } from "../../../_debian.ts";
import { addRepository } from "./_private-git.ts";

/** A git server on loopback: the real sshd, which lets one key in, to fetch and nothing else. */
export class SshGit {
  readonly folder: string;
  readonly port: number;
  /** The operator's key for this server. */
  readonly key: string;
  readonly #process: ChildProcess;
  /** Logins with the key. */
  served = 0;

  static async start(folder: string, port: number): Promise<SshGit> {
    mkdirSync(folder, { recursive: true });
    const key = join(folder, "client");
    await replaceSshKey(key, "canary of a git server");
    await replaceSshKey(join(folder, "server"), "server");
    const fetching = `restrict,command="git-shell -c \\"$SSH_ORIGINAL_COMMAND\\"" ${publicKeyOf(key)}\n`;
    writeFileSync(join(folder, "authorized_keys"), fetching);
    const options = {
      ListenAddress: "127.0.0.1",
      Port: port,
      HostKey: join(folder, "server"),
      AuthorizedKeysFile: join(folder, "authorized_keys"),
      PermitRootLogin: "forced-commands-only",
      PasswordAuthentication: "no",
      UsePAM: "no",
      StrictModes: "no",
      PidFile: "none",
      AllowUsers: "root",
    };
    const lines = Object.entries(options).map(([name, value]) => `${name} ${value}\n`);
    writeFileSync(join(folder, "sshd_config"), lines.join(""));
    mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
    const child = spawn("/usr/sbin/sshd", ["-D", "-e", "-f", join(folder, "sshd_config")], {
      env: { PATH: path, LC_ALL: "C" },
      stdio: ["ignore", "ignore", "pipe"],
    });
    const git = new SshGit(folder, port, key, child);
    onTestFinished(() => git.stop());
    const said: string[] = [];
    await new Promise<void>((resolve, reject) => {
      createInterface(child.stderr).on("line", (line) => {
        said.push(line);
        if (line.startsWith("Server listening")) resolve();
        if (line.startsWith("Accepted publickey")) git.served += 1;
      });
      child.on("exit", () => reject(new Error(`the git server did not start: ${said.join("\n")}`)));
    });
    return git;
  }

  private constructor(folder: string, port: number, key: string, child: ChildProcess) {
    this.folder = folder;
    this.port = port;
    this.key = key;
    this.#process = child;
  }

  url(name: string): string {
    return `ssh://root@127.0.0.1:${this.port}${this.folder}/${name}.git`;
  }

  async add(name: string, files: Readonly<Record<string, string>>): Promise<void> {
    await addRepository(this.folder, name, files);
  }

  /** A line of the private key, as a file of a host that has it would contain it. */
  get keyLine(): string {
    return readFileSync(this.key, "utf8").split("\n")[2] ?? "";
  }

  /**
   * Sets up an operator's ssh for this server, in git's settings: ssh itself reads its files in the home folder of the user database.
   * @param holder where the private key is: in the file that ssh's settings name, or only in an agent
   */
  async setUp(home: string, holder: "file" | "agent"): Promise<string> {
    const settings = join(home, "ssh_config");
    const known = `[127.0.0.1]:${this.port} ${publicKeyOf(join(this.folder, "server"))}\n`;
    writeFileSync(join(home, "known_hosts"), known);
    const options = { UserKnownHostsFile: join(home, "known_hosts"), StrictHostKeyChecking: "yes" };
    const identity = holder === "file" ? { IdentityFile: this.key, IdentitiesOnly: "yes" } : { IdentityFile: "none" };
    const lines = Object.entries({ ...options, ...identity }).map(([name, value]) => `${name} ${value}\n`);
    writeFileSync(settings, lines.join(""));
    if (holder === "agent") vi.stubEnv("SSH_AUTH_SOCK", await this.#agent(join(home, "agent")));
    return `[core]\n\tsshCommand = ssh -F ${settings}\n`;
  }

  async #agent(socket: string): Promise<string> {
    const agent = spawn("ssh-agent", ["-D", "-a", socket], { stdio: ["ignore", "pipe", "inherit"] });
    onTestFinished(() => void agent.kill());
    await once(agent.stdout, "data");
    await execa("ssh-add", ["-q", this.key], { env: { SSH_AUTH_SOCK: socket } });
    return socket;
  }

  /** Nothing can be fetched from now on. */
  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, "exit");
    this.#process.kill();
    await ended;
  }
}
