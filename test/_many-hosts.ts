import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa, type Options } from "execa";
import { programFiles } from "../cli/demo/prepare.ts";
import { pointAt } from "../cli/shared/emulator-env.ts";
import { git } from "../core/base/machine/git.ts";
import { makePrivateFolder, writePrivateFile } from "../core/base/machine/private-files.ts";
import { ensureSshKey } from "../core/base/machine/ssh-keys.ts";
import { type Layout, layoutOf } from "../core/project/layout.ts";
import { openSecrets } from "../core/project/secrets/open.ts";
import { addToStackFile } from "../core/project/settings/stack-file.ts";
import { initSecrets } from "../core/tasks/init.ts";
import { type Emulator, type EmulatorOptions, startEmulator } from "../emulator/index.ts";
import { findEngine } from "../engine/find-engine.ts";

const repository = process.cwd();

interface ManyHostsOptions extends Omit<EmulatorOptions, "data"> {
  /** By host. @default none */
  tags?: Record<string, string[]>;
  /** Where the state is. @default a folder of the project's own */
  backend?: string;
  /** For every command, beside this process's own. @default none */
  environment?: Record<string, string>;
}

/** A project of several hosts that have their keys and secrets, with an emulated Hetzner in this process. */
export class ManyHosts {
  readonly layout: Layout;
  readonly emulator: Emulator;
  readonly #folder: string;

  readonly #environment: Readonly<Record<string, string>>;

  private constructor(folder: string, layout: Layout, emulator: Emulator, environment: Record<string, string> = {}) {
    this.#folder = folder;
    this.layout = layout;
    this.emulator = emulator;
    this.#environment = environment;
  }

  static async open(
    hosts: readonly string[],
    { tags = {}, backend, environment, ...options }: ManyHostsOptions = {},
  ): Promise<ManyHosts> {
    const engine = findEngine(repository);
    if (!engine) throw new Error("no engine: run scripts/setup.sh");
    const folder = mkdtempSync(join(tmpdir(), "clawdlets-many-"));
    const layout = layoutOf(join(folder, "project"));
    mkdirSync(layout.stacks, { recursive: true });
    for (const file of programFiles) {
      symlinkSync(join(repository, file), join(layout.root, file));
    }
    if (backend !== undefined) {
      const text = readFileSync(join(repository, "Pulumi.yaml"), "utf8");
      rmSync(join(layout.root, "Pulumi.yaml"));
      writeFileSync(join(layout.root, "Pulumi.yaml"), text.replace(/^( +url:).*$/m, `$1 ${backend}`));
    }
    writeFileSync(join(layout.root, ".gitignore"), ".clawdlets/\noperator/\nnode_modules\n");
    const emulator = await startEmulator({ ...options, data: join(folder, "emulator") });
    const lab = new ManyHosts(folder, layout, emulator, environment);
    await lab.#writeLocal(hosts);
    for (const host of hosts) {
      const { store, required, facts } = openSecrets(layout, host, { environment: {}, sops: engine.sops });
      const values = { admin_password_hash: `$6$salt$${"a".repeat(86)}`, tailscale_auth_key: "tskey-auth-test" };
      await initSecrets({ store, required, values, overwrite: false, settings: { ...facts, protect: false } });
      if (tags[host]) await addToStackFile(layout, host, { tags: tags[host] });
    }
    await git(layout.root, "init", "--quiet", "--initial-branch=main");
    await git(layout.root, "add", "--all");
    const author = ["-c", "user.name=test", "-c", "user.email=test@clawdlets.invalid", "-c", "commit.gpgsign=false"];
    await execa("git", [...author, "commit", "--quiet", "-m", "hosts"], { cwd: layout.root });
    return lab;
  }

  async #writeLocal(hosts: readonly string[]): Promise<void> {
    const { layout, emulator } = this;
    makePrivateFolder(layout.dir);
    const entry = (host: string) => ({
      flakeHost: host,
      targetHost: host,
      hetzner: { serverType: "cx43" },
      opentofu: { adminCidr: "127.0.0.1/32", sshPubkeyFile: "operator/id_ed25519.pub" },
      secrets: { localDir: `secrets/hosts/${host}`, remoteDir: `/var/lib/clawdlets/secrets/hosts/${host}` },
    });
    const content = { schemaVersion: 3, hosts: Object.fromEntries(hosts.map((host) => [host, entry(host)])) };
    await writePrivateFile(layout.stackJson, JSON.stringify(content));
    await ensureSshKey(join(layout.root, "operator", "id_ed25519"), "operator");
    await pointAt(join(layout.dir, ".env"), emulator);
  }

  /** `clawdlets`, in a process group of its own, as a terminal would start it. */
  run(args: readonly string[], options: Options = {}) {
    return execa(join(repository, "bin", "clawdlets"), args, {
      cwd: this.layout.root,
      reject: false,
      detached: true,
      cleanup: true,
      stdin: "ignore",
      env: this.#environment,
      ...options,
    });
  }

  async json(args: readonly string[]) {
    const { stdout, stderr, exitCode } = await this.run([...args, "--json"]);
    const text = String(stdout);
    return { exitCode, stderr: String(stderr), json: text === "" ? undefined : JSON.parse(text) };
  }

  /** A clone of what is committed on another machine, with a copy of `.clawdlets/`, as a vault brings it there. */
  async cloned(name: string): Promise<ManyHosts> {
    const layout = layoutOf(join(this.#folder, name));
    await execa("git", ["clone", "--quiet", this.layout.root, layout.root]);
    symlinkSync(join(repository, "node_modules"), join(layout.root, "node_modules"));
    for (const kept of [".clawdlets", "operator"])
      cpSync(join(this.layout.root, kept), join(layout.root, kept), { recursive: true });
    return new ManyHosts(this.#folder, layout, this.emulator, this.#environment);
  }

  async control(path: string, body?: unknown): Promise<void> {
    const { endpoint, token } = this.emulator;
    const response = await fetch(new URL(`/_emulator/${path}`, endpoint), {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify(body ?? {}),
    });
    if (!response.ok) throw new Error(`${path}: HTTP ${response.status} ${await response.text()}`);
  }

  /** Hosts whose installation ran to its end, with how often. */
  get installed(): Record<string, number> {
    const servers = this.emulator.report().servers.filter(({ os }) => os === "nixos");
    return Object.fromEntries(servers.map(({ name, installRuns }) => [name, installRuns]).sort());
  }

  get requests(): number {
    return Object.values(this.emulator.report().requests).reduce((sum, count) => sum + count, 0);
  }

  async close(): Promise<void> {
    await this.emulator.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
