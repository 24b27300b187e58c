import { createHash, randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { execa } from "execa";
import { onTestFinished } from "vitest";
import { hasCode } from "../../core/errors.ts";
import { repository } from "../_repository.ts";
import { exchangeShim } from "./_script-host.ts";

const script = join(repository, "nix/host/activate.sh");
const identity = { GIT_AUTHOR_NAME: "a", GIT_AUTHOR_EMAIL: "a@b", GIT_COMMITTER_NAME: "a", GIT_COMMITTER_EMAIL: "a@b" };

export interface State {
  id: string;
  phase: string;
  result: string;
  rev: string;
  from: string;
  to: string;
  deadline: string;
  bootId: string;
  why: string;
}

/** A system as NixOS makes one, as far as an activation sees it. */
export interface System {
  /** Shell lines of `switch-to-configuration <verb>`, before it does what it does. @default none */
  lines?: string;
  /** Whether it has the unit that goes back after a reboot. @default true */
  watches?: boolean;
  kernel?: string;
}

/**
 * The real nix/host/activate.sh in a folder of its own, with real git, flock, coreutils and detached processes. Stand-ins are
 * only nix (gives a ready-made system for a commit), nix-env, nix-store, systemctl and systemd-run; each refuses every other
 * word than those that the script may say.
 */
export class ActivatingHost {
  readonly folder = mkdtempSync(join(tmpdir(), "clawdlets-activation-"));
  readonly origin = join(this.folder, "origin");
  readonly secrets = join(this.folder, "hosts/web-1");
  readonly former = join(this.folder, "store/former");
  readonly id = randomBytes(8).toString("hex");
  readonly token = randomBytes(32).toString("hex");
  more: Record<string, string> = {};
  readonly #bin = join(this.folder, "bin");

  static async open(): Promise<ActivatingHost> {
    const host = new ActivatingHost();
    const shim = await exchangeShim();
    if (shim !== null) host.program("mv", shim);
    await execa("git", ["init", "--quiet", "--initial-branch=main", host.origin]);
    return host;
  }

  private constructor() {
    onTestFinished(async () => {
      await this.kill();
      rmSync(this.folder, { recursive: true, force: true });
    });
    for (const name of ["bin", "store", "run", "hosts/web-1", "locks"]) {
      mkdirSync(join(this.folder, name), { recursive: true });
    }
    this.write("key", "AGE-SECRET-KEY-1X\n");
    this.write("hosts/web-1/alpha.yaml", "old\n");
    this.write("boot_id", "boot-1\n");
    this.system("former", {});
    symlinkSync(this.former, join(this.folder, "run/current-system"));
    symlinkSync(this.former, join(this.folder, "run/booted-system"));
    symlinkSync(this.former, join(this.folder, "profile-1-link"));
    symlinkSync("profile-1-link", join(this.folder, "profile"));
    const { folder } = this;
    this.program(
      "nix-env",
      `[ "$#" -eq 4 ] && [ "$1 $2 $3" = "--profile ${folder}/profile --set" ] && [ -d "$4" ] || { echo "nix-env: $*" >&2; exit 2; }
n=$(($(ls -d '${folder}'/profile-*-link | wc -l) + 1)); ln -s "$4" "${folder}/profile-$n-link"
ln -sfn "profile-$n-link" '${folder}/profile'; echo "profile $(basename "$4")" >>'${folder}/log'`,
    );
    this.program("nix-store", `[ "$1 $3" = "--add-root --realise" ] && [ -e "$4" ] || exit 2; ln -sfn "$4" "$2"`);
    this.program(
      "nix",
      `[ "$1 $2 $3" = "build --no-write-lock-file --out-link" ] || { echo "nix: $*" >&2; exit 2; }
rev=$(printf '%s' "$5" | sed -nE 's/.*&rev=([0-9a-f]{40})#nixosConfigurations\\."web-1"\\.config\\.system\\.build\\.toplevel$/\\1/p')
[ -n "$rev" ] && git -C '${folder}/cache.git' cat-file -e "$rev^{commit}" || { echo "nix: no $5" >&2; exit 1; }
system=$(git -C '${folder}/cache.git' show "$rev:system")
[ -d "${folder}/store/$system" ] || { echo "error: does not build" >&2; exit 1; }
ln -sfn "${folder}/store/$system" "$4"`,
    );
    this.program(
      "systemctl",
      `echo "systemctl $*" >>'${folder}/log'
case "$*" in
  "is-active --quiet "*.service) [ ! -e "${folder}/broken-$3" ] ;;
  "restart sops-install-secrets.service"|"try-restart clawdlets-secrets.target"|"reset-failed") ;;
  "restart "*.service) rm -f "${folder}/broken-$2" ;;
  reboot) touch '${folder}/rebooting' ;;
  *) echo "systemctl: unknown: $*" >&2; exit 1 ;;
esac`,
    );
    // As the real one: a unit of this name that runs already is an error, and what it starts is not of the caller's session.
    this.program(
      "systemd-run",
      `words="--quiet --collect --unit=clawdlets-activation.service --property=Type=exec --property=KillMode=mixed"
[ "$1 $2 $3 $4 $5" = "$words" ] || { echo "systemd-run: $*" >&2; exit 1; }
shift 5
if [ -e '${folder}/pid' ] && kill -0 "-$(cat '${folder}/pid')" 2>/dev/null; then echo "Unit clawdlets-activation.service already exists." >&2; exit 1; fi
setsid sh -c 'echo $$ >"$0"; exec "$@"' '${folder}/pid' "$@" >>'${folder}/journal' 2>&1 </dev/null 9>&- &`,
    );
    writeFileSync(join(this.folder, "self"), `#!/bin/sh\nexec bash '${script}' "$@"\n`, { mode: 0o755 });
  }

  get env(): Record<string, string> {
    const at = (name: string) => join(this.folder, name);
    return {
      PATH: [this.#bin, process.env["PATH"] ?? ""].join(delimiter),
      REPOSITORY: `file://${this.origin}`,
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
      LOCKS: at("locks"),
      HEALTH_COMMANDS: "",
      REBOOT: "0",
      BUILD_SECONDS: "60",
      VITAL_UNITS: "sshd.service nftables.service",
      ...this.more,
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

  system(name: string, { lines = "", watches = true, kernel = "linux-1" }: System): string {
    const at = join(this.folder, "store", name);
    this.write(`store/${kernel}`, "");
    this.write(
      `store/${name}/bin/switch-to-configuration`,
      `#!/bin/sh\necho "${name} $1" >>'${this.folder}/log'\n${lines}\n[ "$1" = boot ] || ln -sfn '${at}' '${this.folder}/run/current-system'\n`,
    );
    chmodSync(join(at, "bin/switch-to-configuration"), 0o755);
    symlinkSync(join(this.folder, "store", kernel), join(at, "kernel"));
    if (watches) this.write(`store/${name}/etc/systemd/system/clawdlets-activation-watch.service`, "");
    return at;
  }

  /** A commit of the branch whose system is this one. */
  async commit(system: string, branch = "main"): Promise<string> {
    const git = (...args: string[]) => execa("git", ["-C", this.origin, ...args], { env: identity });
    if (branch !== "main") await git("checkout", "--quiet", "-b", branch);
    writeFileSync(join(this.origin, "system"), system);
    await git("add", "--all");
    await git("commit", "--quiet", "--allow-empty", "--message", system);
    const { stdout } = await git("rev-parse", "HEAD");
    if (branch !== "main") await git("checkout", "--quiet", "main");
    return stdout;
  }

  async order(text: string, ...args: string[]) {
    const options = { env: this.env, extendEnv: false, input: text, reject: false } as const;
    const { exitCode, stdout, stderr } = await execa("bash", [script, ...args], options);
    return { exitCode, stdout, stderr };
  }

  prepare(seconds = 60, id = this.id) {
    const sum = createHash("sha256").update(this.token).digest("hex");
    return this.order(`prepare ${id} ${sum} ${seconds}\n`);
  }
  switch(rev: string) {
    return this.order(`switch ${this.id} ${rev}\n`);
  }
  confirm(token = this.token) {
    return this.order(`confirm ${this.id} ${token}\n`);
  }

  state(): State {
    return JSON.parse(this.read("state/state.json")) as State;
  }
  get running(): string {
    return readlinkSync(join(this.folder, "run/current-system")).split("/").at(-1) ?? "";
  }
  get profile(): string {
    return realpathSync(join(this.folder, "profile")).split("/").at(-1) ?? "";
  }

  /** The detached run, and all that it started, gone at once, as when systemd kills a unit. */
  async kill(): Promise<void> {
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

  /** As after power was lost: nothing runs any more, and the system that was chosen for the boot does. */
  async reboot(): Promise<void> {
    await this.kill();
    this.write("boot_id", "boot-2\n");
    rmSync(join(this.folder, "rebooting"), { force: true });
    for (const name of ["current-system", "booted-system"]) {
      unlinkSync(join(this.folder, "run", name));
      symlinkSync(realpathSync(join(this.folder, "profile")), join(this.folder, "run", name));
    }
  }

  /** What the timer starts. */
  watch() {
    return this.order("", "watch");
  }

  /** Lets the deadline be over, as if its time had passed. */
  letTimePass(): void {
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
