import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { onTestFinished } from "vitest";
import { hasCode } from "../../../core/base/errors.ts";
import { repository } from "../../_repository.ts";
import { exchangeShim } from "../secrets/_script-host.ts";
import { type ActivatingHost, type Answer, commitTo, git, type State, type Trait } from "./_activating-host.ts";
import { real, standIns } from "./_activating-programs.ts";

export const script = join(repository, "nix/host/activate.sh");

/** A NixOS system, as far as an activation needs it. */
interface System {
  /** Shell lines of `switch-to-configuration <verb>`, before it does what it does. @default none */
  lines?: string;
  traits?: readonly Trait[];
}

/**
 * The real nix/host/activate.sh in a folder of its own, with real git, flock, coreutils and detached processes. Stand-ins are
 * only nix (gives a ready-made system for a commit), nix-env, nix-store, systemctl and systemd-run; each refuses every other
 * word than those that the script may say.
 */
export class ActivatingScript implements ActivatingHost {
  readonly folder = mkdtempSync(join(tmpdir(), "clawdlets-activation-"));
  readonly origin = join(this.folder, "origin");
  readonly repository = `file://${this.origin}`;
  readonly secrets = join(this.folder, "hosts/web-1");
  readonly former = join(this.folder, "store/former");
  readonly #bin = join(this.folder, "bin");
  #keys: readonly string[] = [];
  #boots = 1;
  #systems = 0;
  #timer = new AbortController();
  readonly #watching = new Set<number>();

  /** @param atEnd takes what is to be done when the test has ended; that of its context where tests run at once */
  static async open(atEnd: (work: () => Promise<void>) => void = onTestFinished): Promise<ActivatingScript> {
    const host = new ActivatingScript();
    atEnd(async () => {
      host.#timer.abort();
      await host.kill();
      rmSync(host.folder, { recursive: true, force: true });
    });
    const shim = await exchangeShim();
    if (shim !== null) host.program("mv", shim);
    mkdirSync(host.origin);
    await git(host.origin, "init", "--quiet", "--initial-branch=main");
    await git(host.origin, "config", "uploadpack.allowAnySHA1InWant", "true"); // As GitHub does.
    await host.commit();
    return host;
  }

  private constructor() {
    for (const name of ["bin", "store", "run", "hosts/web-1"]) {
      mkdirSync(join(this.folder, name), { recursive: true });
    }
    this.write("key", "AGE-SECRET-KEY-1X\n");
    this.write("hosts/web-1/alpha.yaml", "old\n");
    this.write("boot_id", "boot-1\n");
    this.write("uptime", "100.00 90.00\n");
    this.system("former", {});
    symlinkSync(this.former, join(this.folder, "run/current-system"));
    symlinkSync(this.former, join(this.folder, "run/booted-system"));
    symlinkSync(this.former, join(this.folder, "profile-1-link"));
    symlinkSync("profile-1-link", join(this.folder, "profile"));
    for (const [name, lines] of Object.entries(standIns(this.folder))) this.program(name, lines);
    writeFileSync(join(this.folder, "self"), `#!/bin/sh\nexec bash '${script}' "$@"\n`, { mode: 0o755 });
  }

  get env(): Record<string, string> {
    const at = (name: string) => join(this.folder, name);
    return {
      PATH: [this.#bin, process.env["PATH"] ?? ""].join(delimiter),
      REPOSITORY: this.repository,
      REF: "main",
      HOST: "web-1",
      CACHE: at("cache.git"),
      SELF: at("self"),
      STATE_DIR: at("state"),
      PROFILE: at("profile"),
      SECRETS_DIR: this.secrets,
      AGE_KEY_FILE: at("key"),
      CURRENT_SYSTEM: at("run/current-system"),
      BOOTED_SYSTEM: at("run/booted-system"),
      BOOT_ID: at("boot_id"),
      UPTIME: at("uptime"),
      LOCKS: at("locks"),
      SWITCH_LOCK: at("nixos/switch-to-configuration.lock"),
      REBOOT: "1",
      BUILD_SECONDS: "3600",
      NAME: "web-1",
      SYSTEM_KEYS: this.#keys.join(" "),
      RELEASE_FLOOR: "1000",
      STORE: at("store"),
      DOWNGRADE_MARK: at("downgrade"),
      VITAL_UNITS: "sshd.service nftables.service",
    };
  }

  write(path: string, content: string): void {
    mkdirSync(dirname(join(this.folder, path)), { recursive: true });
    writeFileSync(join(this.folder, path), content);
  }

  read = (path: string) => readFileSync(join(this.folder, path), "utf8");
  exists = (path: string) => existsSync(join(this.folder, path));
  get log(): string[] {
    return this.exists("log") ? this.read("log").trim().split("\n") : [];
  }

  program(name: string, lines: string): void {
    writeFileSync(join(this.#bin, name), `#!/bin/sh\n${lines}\n`);
    chmodSync(join(this.#bin, name), 0o755);
  }

  /** Uses the machine's own program instead of the stand-in. */
  withoutStandIn(name: string): void {
    rmSync(join(this.#bin, name));
  }

  /** Shell lines to run before a program of this host or this machine; "" removes them. */
  precede(name: string, lines: string): void {
    this.#wrap(name, lines, "");
  }

  /** Shell lines to run after a program's work, before it exits. */
  follow(name: string, lines: string): void {
    this.#wrap(name, "", lines);
  }

  #wrap(name: string, before: string, after: string): void {
    const own = join(this.#bin, name);
    const inner = join(this.folder, `inner-${name}`);
    if (existsSync(own) && !existsSync(inner)) renameSync(own, inner);
    const program = existsSync(inner) ? inner : real(name);
    this.program(name, `${before}\n'${program}' "$@"; status=$?\n${after}\nexit $status`);
  }

  system(name: string, { lines = "", traits = [] }: System): string {
    const at = join(this.folder, "store", name);
    const has = (trait: Trait) => traits.includes(trait);
    const kernel = has("kernel") ? "linux-2" : "linux-1";
    this.write(`store/${kernel}`, "");
    this.write(
      `store/${name}/bin/switch-to-configuration`,
      `#!/bin/sh
echo "${name} $1" >>'${this.folder}/log'
${has("haste") ? '[ "$1" = boot ] || sleep 20' : ""}
${has("boot") ? '[ "$1" != boot ] || exit 1' : ""}
${has("hang") ? '[ "$1" = boot ] || sleep 7200' : ""}
${lines}
[ "$1" = boot ] || ln -sfn '${at}' '${this.folder}/run/current-system'
${has("switch") ? '[ "$1" = boot ] || exit 4' : ""}
`,
    );
    chmodSync(join(at, "bin/switch-to-configuration"), 0o755);
    for (const part of ["kernel", "initrd", "kernel-modules"]) {
      symlinkSync(join(this.folder, "store", kernel), join(at, part));
    }
    if (!has("blind")) this.write(`store/${name}/etc/systemd/system/clawdlets-activation-watch.service`, "");
    const health = has("health") ? "true\nfalse\n" : has("haste") ? "sleep 20\n" : "true\n";
    this.write(`store/${name}/etc/clawdlets/health-commands`, health);
    return at;
  }

  async commit(traits: readonly Trait[] = [], on: "main" | "other" | "fork" = "main"): Promise<string> {
    this.#systems += 1;
    const name = `system-${this.#systems}`;
    this.system(name, { traits });
    return await this.commitOf(name, traits, on);
  }

  /** A commit whose system is this hand-made one. */
  async commitOf(system: string, traits: readonly Trait[] = [], on: "main" | "other" | "fork" = "main") {
    const lines = [traits.includes("build") ? "missing" : system, traits.includes("haste") ? "slow" : ""];
    return await commitTo(this.origin, on, () => writeFileSync(join(this.origin, "system"), lines.join("\n")));
  }

  async forget(commits: number): Promise<void> {
    await git(this.origin, "reset", "--quiet", "--hard", `HEAD~${commits}`);
  }

  async order(text: string, ...args: string[]): Promise<Answer> {
    const options = { env: this.env, extendEnv: false, input: text, reject: false } as const;
    const { exitCode = -1, stdout, stderr } = await execa("bash", [script, ...args], options);
    return { exitCode, stdout, stderr };
  }

  state = () => JSON.parse(this.read("state/state.json")) as State;
  running = () => readlinkSync(join(this.folder, "run/current-system"));
  /** Two links, and not further: only the host may be able to read its store. */
  chosen = () => readlinkSync(resolve(this.folder, readlinkSync(join(this.folder, "profile"))));
  bootId = () => this.read("boot_id").trim();
  isRebooting = () => this.exists("rebooting");
  trust = (keys: readonly string[]) => {
    this.#keys = keys;
  };
  allowDowngrade = () => this.write("downgrade", "");
  lastRelease = () => (this.exists("state/release") ? this.read("state/release").trim() : undefined);
  secret = () => this.read("hosts/web-1/alpha.yaml");
  changeSecret = (text: string) => this.write("hosts/web-1/alpha.yaml", text);
  changeIdentity = () => this.write("key", "AGE-SECRET-KEY-1Y\n");
  keepsSecrets = () => this.exists("hosts/.web-1.kept");

  /** Kills the detached run and everything it started at once, as systemd kills a unit. */
  async kill(): Promise<void> {
    for (const pid of this.#watching) killIfThere(-pid);
    if (!this.exists("pid")) return;
    const session = this.read("pid").trim();
    const alive = async () => {
      const { stdout } = await execa("ps", ["-o", "pid=,stat=", "-s", session], { reject: false });
      const running = stdout.split("\n").filter((line) => line.trim() !== "" && !/\sZ/.test(line));
      return running.map((line) => Number(line.trim().split(/\s+/)[0]));
    };
    for (let left = await alive(); left.length > 0; left = await alive()) {
      for (const pid of left) killIfThere(pid);
    }
  }

  async reboot(): Promise<void> {
    this.#timer.abort();
    await this.kill();
    this.nextBoot();
    this.startTimer();
  }

  /** Its first generation is another system, of a store that only the host can read. */
  replaceFormer(path: string): void {
    for (const name of ["profile-1-link", "run/current-system", "run/booted-system"]) {
      rmSync(join(this.folder, name));
      symlinkSync(path, join(this.folder, name));
    }
  }

  /** @param system that the boot loader starts @default the chosen one */
  nextBoot(system = realpathSync(join(this.folder, "profile"))): void {
    this.#boots += 1;
    this.write("boot_id", `boot-${this.#boots}\n`);
    rmSync(join(this.folder, "rebooting"), { force: true });
    for (const name of ["current-system", "booted-system"]) {
      unlinkSync(join(this.folder, "run", name));
      symlinkSync(system, join(this.folder, "run", name));
    }
  }

  /** Starts `watch` at boot, and again a minute after each end, until the next boot. */
  startTimer(): void {
    this.#timer = new AbortController();
    const { signal } = this.#timer;
    const timer = async () => {
      while (!signal.aborted) {
        await this.watch();
        await sleep(60_000 / 20, undefined, { signal }).catch(() => undefined);
      }
    };
    void timer();
  }

  /** What the timer starts. */
  async watch(): Promise<void> {
    const watching = execa("bash", [script, "watch"], {
      env: this.env,
      extendEnv: false,
      reject: false,
      detached: true,
    });
    if (watching.pid !== undefined) this.#watching.add(watching.pid);
    await watching;
    if (watching.pid !== undefined) this.#watching.delete(watching.pid);
  }

  async letTimePass(): Promise<void> {
    this.letDeadlinePass();
    await this.watch();
  }

  /** The deadline is over; a run that is at work read it before. */
  letDeadlinePass(): void {
    this.write("state/state", this.read("state/state").replace(/^deadline=.*$/m, "deadline=1"));
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (!hasCode(error, "ESRCH")) throw error;
  }
}
