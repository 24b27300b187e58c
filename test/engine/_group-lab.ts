import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa, type Options } from "execa";
import { expect } from "vitest";
import { pointAt } from "../../cli/shared/emulator-env.ts";
import { git } from "../../core/base/machine/git.ts";
import { makePrivateFolder, writePrivateFile } from "../../core/base/machine/private-files.ts";
import { ensureSshKey } from "../../core/base/machine/ssh-keys.ts";
import { type Roster, readRoster } from "../../core/project/groups/roster.ts";
import { type Layout, layoutOf } from "../../core/project/layout.ts";
import { openSecrets } from "../../core/project/secrets/open.ts";
import { mintedMark } from "../../core/project/secrets/plan.ts";
import { initSecrets } from "../../core/tasks/init.ts";
import { type Emulator, startEmulator } from "../../emulator/index.ts";
import { engineEnvironment } from "../../engine/environment.ts";
import { findEngine } from "../../engine/find-engine.ts";
import { repository } from "../_repository.ts";
import { clientOf } from "../emulator/_lab.ts";

const program = `import { readFileSync } from "node:fs";
import { Host, HostGroup, loadGroup, loadHost } from "./components/index.ts";

const { host, name, loadAs = name, ...group } = JSON.parse(readFileSync("group.json", "utf8"));
if (host) new Host("web-1", await loadHost("web-1"));
const all = new HostGroup(name, await loadGroup(loadAs, { like: "workers", ...group }));
export const names = all.names;
`;

/** What tests declare of the program. */
interface Declared {
  name: string;
  count: number;
  /** Whether the host web-1 is beside the group. */
  host?: boolean;
  protect?: (string | undefined)[];
  ttl?: string;
  /** What `loadGroup` is called with. @default the name */
  loadAs?: string;
}

interface GroupLabOptions {
  /** Where the state is. @default a folder of the project's own */
  backend?: string;
  /** The tailnet's credentials, for `.clawdlets/.env`: the hosts' auth keys are minted. @default none */
  credentials?: Readonly<Record<string, string>>;
  /** For every command, beside the engine's own. @default none */
  environment?: Readonly<Record<string, string>>;
}

/**
 * A group of hosts beside a host of its own, by the real engine and providers on the emulator, in a program as a team would write it.
 * NixOS is installed by the emulator's stand-in.
 */
export async function openGroupLab({
  backend,
  credentials,
  environment = {},
}: GroupLabOptions = {}): Promise<GroupLab> {
  const folder = mkdtempSync(join(tmpdir(), "clawdlets-group-"));
  const layout = layoutOf(join(folder, "project"));
  const lab = new GroupLab(layout, await startEmulator({ data: join(folder, "emulator"), actionMs: 50 }), environment);
  mkdirSync(layout.stacks, { recursive: true });
  for (const file of ["bin", "components", "node_modules", "package.json", "tsconfig.json"])
    symlinkSync(join(repository, file), join(layout.root, file));
  const projectFile = readFileSync(join(repository, "Pulumi.yaml"), "utf8").replace(/^stackConfigDir:.*\n/m, "");
  const state = backend === undefined ? projectFile : projectFile.replace(/^( +url:).*$/m, `$1 ${backend}`);
  writeFileSync(join(layout.root, "Pulumi.yaml"), state);
  writeFileSync(join(layout.root, "index.ts"), program);
  writeFileSync(join(layout.root, ".gitignore"), ".clawdlets/\noperator/\nnode_modules\ngroup.json\n");
  makePrivateFolder(layout.dir);
  const hosts = { "web-1": entryOf("web-1"), workers: entryOf("workers") };
  await writePrivateFile(layout.stackJson, JSON.stringify({ schemaVersion: 3, hosts }));
  await ensureSshKey(join(layout.root, "operator", "id_ed25519"), "operator");
  await pointAt(join(layout.dir, ".env"), lab.emulator);
  for (const [name, value] of Object.entries(credentials ?? {}))
    appendFileSync(join(layout.dir, ".env"), `${name}=${value}\n`);
  for (const host of Object.keys(hosts)) {
    const { store, required, facts } = openSecrets(layout, host, { environment: {}, sops: engine().sops });
    const key = credentials ? mintedMark : "tskey-auth-canary";
    const values = { admin_password_hash: `$6$salt$${"a".repeat(86)}`, tailscale_auth_key: key };
    const more = { protect: false, rebuild: { onUp: "never" } };
    await initSecrets({ store, required, values, overwrite: false, settings: { ...facts, ...more } });
  }
  await git(layout.root, "init", "--quiet", "--initial-branch=main");
  await lab.commit();
  await lab.ok(lab.pulumi("stack", "init"));
  return lab;
}

const engine = () => findEngine(repository) ?? ({} as never);

const entryOf = (host: string) => ({
  flakeHost: host,
  hetzner: { serverType: "cx43" },
  opentofu: { adminCidr: "127.0.0.1/32", sshPubkeyFile: "operator/id_ed25519.pub" },
  secrets: { localDir: `secrets/hosts/${host}`, remoteDir: `/var/lib/clawdlets/secrets/hosts/${host}` },
});

/** One clone of the project, with its commands. */
export class GroupLab {
  readonly layout: Layout;
  readonly emulator: Emulator;
  readonly #environment: Readonly<Record<string, string>>;

  constructor(layout: Layout, emulator: Emulator, environment: Readonly<Record<string, string>>) {
    this.layout = layout;
    this.emulator = emulator;
    this.#environment = environment;
  }

  readonly start = (file: string, args: readonly string[], options: Options = {}) =>
    execa(file, args, {
      cwd: this.layout.root,
      env: { ...engineEnvironment(this.layout, engine()), ...this.#environment },
      reject: false,
      all: true,
      ...options,
    });
  /** Commands of the program's one stack. */
  readonly pulumi = (...args: string[]) =>
    this.start(engine().pulumi, [...args, "--stack", "prod", "--non-interactive"]);
  readonly startUp = () =>
    this.start(engine().pulumi, ["up", "--yes", "--skip-preview", "--stack", "prod", "--non-interactive"], {
      detached: true,
    });
  readonly up = () => this.ok(this.pulumi("up", "--yes", "--skip-preview"));
  readonly clawdlets = (...args: string[]) =>
    this.start(join(repository, "bin", "clawdlets"), args, { stdin: "ignore" });
  readonly declare = (group: Declared) => writeFileSync(join(this.layout.root, "group.json"), JSON.stringify(group));

  async ok(running: PromiseLike<{ exitCode?: number | undefined; all?: unknown }>): Promise<string> {
    const { exitCode, all } = await running;
    expect(exitCode, String(all)).toBe(0);
    return String(all);
  }

  async commit(): Promise<void> {
    await git(this.layout.root, "add", "--all");
    const author = ["-c", "user.name=test", "-c", "user.email=test@clawdlets.invalid", "-c", "commit.gpgsign=false"];
    await execa("git", [...author, "commit", "--quiet", "-m", "hosts"], { cwd: this.layout.root });
  }

  /** New hosts: the first update draws names and makes keys, and buys nothing until their stack files are committed. */
  async grow(): Promise<void> {
    const ofGroup = () => this.servers().filter(({ name }) => name !== "web-1").length;
    const before = ofGroup();
    const refused = await this.pulumi("up", "--yes", "--skip-preview");
    expect([refused.exitCode === 0, ofGroup()], String(refused.all)).toEqual([false, before]);
    expect(String(refused.all)).toMatch(/stacks\/Pulumi\.\S+\.yaml is not committed.*git add/);
    await this.commit();
    await this.up();
  }

  async control(what: string, body: unknown): Promise<void> {
    const { endpoint, token } = this.emulator;
    const { status } = await clientOf(endpoint, token)("POST", `/_emulator/${what}`, body);
    expect(status).toBeLessThan(300);
  }

  readonly servers = () => this.emulator.report().servers;
  readonly roster = (group: string): Roster => {
    const found = readRoster(this.layout, group);
    if (!found) throw new Error(`no roster of ${group}`);
    return found;
  };
  readonly names = (group: string) => this.roster(group).members.flatMap(({ name }) => name ?? []);

  /** As if the hosts had been created this long ago. */
  age(group: string, hours: number): void {
    const file = join(this.layout.stacks, "groups", `${group}.json`);
    const createdAt = new Date(Date.now() - hours * 3_600_000).toISOString();
    const { members, ...rest } = this.roster(group);
    writeFileSync(file, JSON.stringify({ ...rest, members: members.map((each) => ({ ...each, createdAt })) }));
  }

  /** A clone of what is committed, with a copy of `.clawdlets/`, as a vault brings it to another machine. */
  async cloned(name: string): Promise<GroupLab> {
    const layout = layoutOf(join(this.layout.root, "..", name));
    await execa("git", ["clone", "--quiet", this.layout.root, layout.root]);
    symlinkSync(join(repository, "node_modules"), join(layout.root, "node_modules"));
    for (const kept of [".clawdlets", "operator", "group.json"])
      cpSync(join(this.layout.root, kept), join(layout.root, kept), { recursive: true });
    return new GroupLab(layout, this.emulator, this.#environment);
  }

  async close(): Promise<void> {
    await this.emulator.close();
    rmSync(join(this.layout.root, ".."), { recursive: true, force: true });
  }
}
