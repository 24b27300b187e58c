import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { type Demo, prepareDemo } from "../../cli/demo/prepare.ts";
import { writePrivateFile } from "../../core/base/machine/private-files.ts";
import { waitUntil } from "../../core/base/wait-until.ts";
import { readBootstrapKeys } from "../../core/host/install/bootstrap-keys.ts";
import { installIdOf } from "../../core/host/install/install-id.ts";
import { bootstrapUserData } from "../../core/host/install/user-data.ts";
import { type Journal, readJournal } from "../../core/host/journal.ts";
import { type HostLayout, hostLayoutOf } from "../../core/project/layout.ts";
import type { ServerReport } from "../../emulator/report.ts";
import { engineEnvironment, packageRoot } from "../../engine/environment.ts";
import { findEngine } from "../../engine/find-engine.ts";
import { type Call, Recorders } from "./_recorders.ts";

export interface LabServer {
  id: number;
  address: string;
  installId: string;
  /** What `clawdlets install` is told of it. */
  facts: string;
}

/**
 * A project whose `.env` names some installer, an emulated Hetzner behind it, a stub `nix`, and an `ssh` that writes down
 * how it was called. One host; servers for it are made one after the other.
 */
export class InstallerLab {
  readonly demo: Demo;
  readonly files: HostLayout;
  /** Of everything that is started: empty at first. */
  readonly home: string;
  readonly temporary: string;
  readonly #folder: string;
  readonly #recorders: Recorders;
  readonly #environment: Record<string, string>;

  private constructor(demo: Demo, folder: string, recorders: Recorders, environment: Record<string, string>) {
    this.demo = demo;
    this.files = hostLayoutOf(demo.layout, demo.host);
    this.home = join(folder, "home");
    this.temporary = join(folder, "tmp");
    this.#folder = folder;
    this.#recorders = recorders;
    const path = [recorders.bin, environment["PATH"] ?? ""].join(delimiter);
    const store = join(folder, "store");
    const folders = { HOME: this.home, TMPDIR: this.temporary, CLAWDLETS_LAB_STORE: store };
    for (const each of Object.values(folders)) mkdirSync(each, { mode: 0o700 });
    this.#environment = { ...environment, ...folders, PATH: path };
  }

  /** @param installer absolute path of a nixos-anywhere, the real one or one that stands in for it */
  static async open(installer: string, { githubToken }: { githubToken: string }): Promise<InstallerLab> {
    const folder = mkdtempSync(join(tmpdir(), "clawdlets-lab-"));
    // A blank, because people have them in the paths of their projects, and nixos-anywhere is a shell script.
    const demo = await prepareDemo(() => undefined, {
      root: join(folder, "my project"),
      data: join(folder, "emulator"),
    });
    const recorders = new Recorders(folder);
    recorders.add("ssh", (await execa("which", ["ssh"])).stdout);
    recorders.add("nix", join(packageRoot, "test", "lab", "nix"));
    const named = `CLAWDLETS_NIXOS_ANYWHERE="${recorders.addInstaller(installer)}"`;
    const envFile = join(demo.layout.dir, ".env");
    const lines = readFileSync(envFile, "utf8").replace(/^CLAWDLETS_NIXOS_ANYWHERE=.*$/m, () => named);
    await writePrivateFile(envFile, `${lines}GITHUB_TOKEN="${githubToken}"\n`);
    const engine = findEngine(packageRoot);
    if (!engine) throw new Error("no engine: run scripts/setup.sh");
    return new InstallerLab(demo, folder, recorders, engineEnvironment(demo.layout, engine));
  }

  async close(): Promise<void> {
    await this.demo.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** A server as the program makes it: behind a firewall that lets nothing in but ping, born with the one-time keys. */
  async createServer(): Promise<LabServer> {
    const icmp = { direction: "in", protocol: "icmp", source_ips: ["0.0.0.0/0"] };
    const { firewall } = await this.api("POST", "/firewalls", { name: `closed-${Date.now()}`, rules: [icmp] });
    const keys = readBootstrapKeys(this.files);
    if (!keys) throw new Error("the project has no one-time keys");
    const { server } = await this.api("POST", "/servers", {
      name: this.demo.host,
      server_type: "cx43",
      image: "debian-12",
      location: "nbg1",
      firewalls: [{ firewall: firewall.id }],
      user_data: bootstrapUserData(keys),
    });
    const isRunning = async () => (await this.api("GET", `/servers/${server.id}`)).server.status === "running";
    await this.until(async () => ((await isRunning()) ? true : undefined), "the server to run");
    const address: string = server.public_net.ipv4.ip;
    const installId = installIdOf({ host: this.demo.host, serverId: server.id, reinstall: 0 });
    return { id: server.id, address, installId, facts: JSON.stringify({ serverId: server.id, address, installId }) };
  }

  async deleteServer({ id }: LabServer): Promise<void> {
    await this.api("DELETE", `/servers/${id}`);
  }

  /** `clawdlets install`, as the stack runs it. */
  install({ facts }: LabServer) {
    return execa(join(packageRoot, "bin", "clawdlets"), ["install", "--host", this.demo.host], {
      cwd: this.demo.layout.root,
      env: { ...this.#environment, CLAWDLETS_FACTS: facts },
      reject: false,
      all: true,
    });
  }

  /** Any other command, in the project. */
  clawdlets(...args: string[]) {
    const options = { cwd: this.demo.layout.root, env: this.#environment, reject: false, all: true } as const;
    return execa(join(packageRoot, "bin", "clawdlets"), args, options);
  }

  async report({ id }: LabServer): Promise<ServerReport> {
    const found = (await this.demo.report()).servers.find((each) => each.id === id);
    return found ?? Promise.reject(new Error(`the emulator has no server ${id}`));
  }

  /** A machine in the middle answers in place of the server. */
  async swapHostKey({ id }: LabServer): Promise<void> {
    await this.api("POST", `/_emulator/servers/${id}/host-key-swap`, { on: true });
  }

  /** Stops the installer before the run of these phases begins. */
  hold(phases: string) {
    return this.#recorders.hold(phases);
  }

  /** Of `ssh`, `nix` and the `installer`, by whomever, in order. */
  get calls(): Call[] {
    return this.#recorders.calls;
  }

  get journal(): Journal | undefined {
    return readJournal(this.files.journal);
  }

  /** What the installer said, all runs in one. */
  get log(): string {
    if (!existsSync(this.files.logs)) return "";
    const names = readdirSync(this.files.logs).filter((name) => name.startsWith("install-"));
    return names
      .sort()
      .map((name) => readFileSync(join(this.files.logs, name), "utf8"))
      .join("");
  }

  /** Files in TMPDIR that are not the cache of tsx: keys, for one. */
  get leftOver(): string[] {
    const entries = readdirSync(this.temporary, { recursive: true, withFileTypes: true });
    const files = entries.filter((each) => !each.isDirectory()).map(({ parentPath, name }) => join(parentPath, name));
    return files.filter((file) => !file.startsWith(join(this.temporary, "tsx-")));
  }

  until<T>(look: () => Promise<T | undefined>, waitedFor: string): Promise<T> {
    const signal = new AbortController().signal;
    return waitUntil(look, { seconds: 60, pauseMs: 50, waitedFor: `not seen: ${waitedFor}`, advice: "", signal });
  }

  private async api(method: string, path: string, body?: unknown) {
    const endpoint = this.#environment["HCLOUD_ENDPOINT"] ?? "";
    const response = await fetch(path.startsWith("/_") ? new URL(path, endpoint) : `${endpoint}${path}`, {
      method,
      headers: { authorization: `Bearer ${this.#environment["HCLOUD_TOKEN"]}`, "content-type": "application/json" },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === "" ? undefined : JSON.parse(text);
  }
}
