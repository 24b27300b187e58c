import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { expect, vi } from "vitest";
import { readJournal } from "../../core/host/journal.ts";
import { hostLayoutOf } from "../../core/project/layout.ts";
import type { Report } from "../../emulator/index.ts";
import { ensureTofu, type Tofu } from "../../toolchain/index.ts";
import { ManyHosts } from "../_many-hosts.ts";
import { repository } from "../_repository.ts";

export const fixture = join(repository, "test", "fixtures", "tofu");
const standIn = join(repository, "emulator", "stand-ins", "nixos-anywhere");
const plain = ["-input=false", "-no-color"];

/**
 * Hosts the way upstream makes them (regenrek/clawdlets b49d4af, cli/src/commands/bootstrap.ts): its one ssh key by the API, then
 * the real OpenTofu with ssh public, nixos-anywhere with the extra files, and OpenTofu once more with ssh no longer public.
 */
export class Upstream {
  readonly lab: ManyHosts;
  /** `infra/opentofu` of the project. */
  readonly folder: string;
  readonly #tofu: Tofu;
  readonly #home: string;
  #keyId = "";

  private constructor(lab: ManyHosts, tofu: Tofu) {
    this.lab = lab;
    this.#tofu = tofu;
    this.folder = join(lab.layout.root, "infra", "opentofu");
    this.#home = join(lab.layout.root, "home");
  }

  /** @param more files of the fixture's `more/` that are beside main.tf */
  static async open(hosts: readonly string[], more: readonly string[] = []): Promise<Upstream> {
    const tofu = await ensureTofu({
      root: repository,
      sources: join(repository, "toolchain"),
      report: ({ kind, component }) => {
        if (kind !== "going") process.stderr.write(`OpenTofu for the tests: ${component} ${kind}\n`);
      },
    });
    const upstream = new Upstream(await ManyHosts.open(hosts), tofu);
    mkdirSync(upstream.#home);
    cpSync(join(fixture, "main.tf"), join(upstream.folder, "main.tf"));
    cpSync(join(fixture, "modules"), join(upstream.folder, "modules"), { recursive: true });
    for (const file of more) upstream.add(file);
    const publicKey = readFileSync(`${upstream.#operatorKey}.pub`, "utf8").trim();
    const { ssh_key } = await upstream.api("POST", "/ssh_keys", { name: "clawdbot-admin", public_key: publicKey });
    upstream.#keyId = String(ssh_key.id);
    await upstream.tofu(["init"]);
    return upstream;
  }

  get #operatorKey(): string {
    return join(this.lab.layout.root, "operator", "id_ed25519");
  }

  get stateFile(): string {
    return join(this.folder, "terraform.tfstate");
  }

  add(file: string, folder = this.folder): void {
    cpSync(join(fixture, "more", file), join(folder, file));
  }

  /** Runs OpenTofu. @returns what it said; fails the test for an exit code that is not among `allowed` */
  async tofu(args: readonly string[], { folder = this.folder, allowed = [0] } = {}) {
    const { token, endpoint } = this.lab.emulator;
    const { exitCode, all, stdout } = await execa(this.#tofu.tofu, args, {
      cwd: folder,
      env: {
        PATH: process.env["PATH"] ?? "",
        HOME: this.#home,
        HCLOUD_ENDPOINT: endpoint,
        TF_CLI_CONFIG_FILE: this.#tofu.config,
        TF_IN_AUTOMATION: "1",
        TF_VAR_hcloud_token: token,
        TF_VAR_admin_cidr: "127.0.0.1/32",
        TF_VAR_ssh_key_id: this.#keyId,
        TF_VAR_old_public_key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJ3YzUSlKdnWtGUmRGYcnKQKiXRiJIJjFVUeDBHbVrV test",
      },
      extendEnv: false,
      stdin: "ignore",
      reject: false,
      all: true,
    });
    expect(allowed, all).toContain(exitCode);
    return { exitCode: exitCode ?? -1, all, stdout };
  }

  apply(publicSsh: boolean, more: readonly string[] = []) {
    return this.tofu(["apply", "-auto-approve", ...plain, "-var", `public_ssh=${publicSsh}`, ...more]);
  }

  /** What OpenTofu would do: actions by address, without those that do nothing. */
  async plan(publicSsh: boolean): Promise<Record<string, string[]>> {
    const file = join(this.#home, "plan");
    await this.tofu(["plan", ...plain, "-var", `public_ssh=${publicSsh}`, `-out=${file}`]);
    const { stdout } = await this.tofu(["show", "-json", file]);
    const { resource_changes: changes = [] } = JSON.parse(stdout) as {
      resource_changes?: { address: string; mode: string; change: { actions: string[] } }[];
    };
    const real = changes.filter(({ mode, change }) => mode === "managed" && change.actions[0] !== "no-op");
    return Object.fromEntries(real.map(({ address, change }) => [address, change.actions]));
  }

  /** Boots the server into NixOS, which makes its own host key: upstream delivers none. */
  async install(host: string): Promise<void> {
    const { layout, emulator } = this.lab;
    const tree = hostLayoutOf(layout, host).extraFiles;
    const [key, secrets] = [join(tree, "var/lib/sops-nix"), join(tree, `var/lib/clawdlets/secrets/hosts/${host}`)];
    for (const folder of [key, secrets]) mkdirSync(folder, { recursive: true });
    cpSync(hostLayoutOf(layout, host).identity, join(key, "key.txt"));
    chmodSync(join(key, "key.txt"), 0o400);
    cpSync(hostLayoutOf(layout, host).secrets, secrets, { recursive: true });
    const ports = ["-p", String(emulator.sshPort), "--post-kexec-ssh-port", String(emulator.sshPort)];
    const what = ["--build-on-remote", "--extra-files", tree, "--flake", `${layout.root}#${host}`];
    await execa(standIn, [...ports, "-i", this.#operatorKey, ...what, `root@${this.server(host).ipv4}`], {
      env: { HOME: this.#home },
      stdin: "ignore",
      all: true,
    });
    const isUp = () => this.server(host).os === "nixos" && this.server(host).isAnswering;
    await vi.waitFor(() => expect(isUp()).toBe(true), { timeout: 20_000 });
  }

  server(host: string): Report["servers"][number] {
    const found = this.lab.emulator.report().servers.find(({ name }) => name === host);
    if (!found) throw new Error(`the emulator has no server ${host}`);
    return found;
  }

  /** The key that the host made itself, as its console would show it. */
  hostKey(host: string): string {
    const disk = join(this.lab.emulator.dataDir, "machines", String(this.server(host).id), "disk");
    return readFileSync(join(disk, "etc/ssh/ssh_host_ed25519_key.pub"), "utf8").trim();
  }

  // biome-ignore lint/suspicious/noExplicitAny: the API's answers, in shapes the test knows
  async api(method: string, path: string, body?: unknown): Promise<any> {
    const { endpoint, token } = this.lab.emulator;
    const response = await fetch(`${endpoint}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    expect(response.ok, `${method} ${path}: ${response.status}`).toBe(true);
    return response.status === 204 ? undefined : response.json();
  }

  /** Everything at Hetzner. */
  async remote() {
    const lists = ["servers", "firewalls", "ssh_keys", "volumes", "primary_ips"];
    return Object.fromEntries(
      await Promise.all(lists.map(async (list) => [list, (await this.api("GET", `/${list}`))[list]])),
    );
  }

  /** Requests so far that change something. */
  get writes(): Record<string, number> {
    const { requests } = this.lab.emulator.report();
    return Object.fromEntries(Object.entries(requests).filter(([request]) => !request.startsWith("GET")));
  }

  /** What this machine knows of a host, and what a refusal has to leave as it was. */
  local(host: string) {
    const { layout } = this.lab;
    const read = (file: string) => (existsSync(file) ? readFileSync(file, "utf8") : undefined);
    const files = hostLayoutOf(layout, host);
    return {
      stackFile: read(files.stackFile),
      knownHosts: read(layout.knownHosts),
      journal: readJournal(files.journal),
      state: read(join(layout.state, ".pulumi", "stacks", "clawdlets", `${host}.json`)),
      tofu: read(this.stateFile),
    };
  }

  /** A copy of `infra/opentofu` to do something else with. @returns its path, relative to the project */
  copy(name: string): { folder: string; path: string } {
    const path = join("infra", name);
    const folder = join(this.lab.layout.root, path);
    cpSync(this.folder, folder, { recursive: true });
    return { folder, path };
  }

  /** A state file with something else in it. @returns its path, relative to the project */
  write(name: string, content: unknown): string {
    const path = join("infra", name);
    writeFileSync(join(this.lab.layout.root, path), typeof content === "string" ? content : JSON.stringify(content));
    return path;
  }

  get state(): Record<string, unknown> {
    return JSON.parse(readFileSync(this.stateFile, "utf8"));
  }

  async close(): Promise<void> {
    await this.lab.close();
    rmSync(this.#home, { recursive: true, force: true });
  }
}
