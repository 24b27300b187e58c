import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { hasCode } from "../../../core/base/errors.ts";
import { cgroupRoot } from "../../_needs.ts";

/** Of Debian's units, those that a manager cannot do without. All others would change this machine: sysctl, modprobe, udev. */
const needed = "basic sysinit sockets paths slices timers multi-user local-fs shutdown umount final reboot".split(" ");
/** Of this machine's /etc: what programs are found and users are looked up by. */
const settings = "alternatives ld.so.cache nsswitch.conf pam.d login.defs security".split(" ");

/**
 * A real systemd as process 1 of namespaces of its own, with this machine's /usr and nothing else of it: files in memory but
 * for one folder that is shared, a network of its own, /proc/sys read-only. It boots, reboots and loses its power. Takes root.
 */
export class SystemdMachine {
  readonly #folder: string;
  readonly #cgroup: string;
  #process: ReturnType<typeof begin> | undefined;
  readonly #steps: string;
  readonly #tree: string;
  #boots = 0;
  /** When the last one's control group is gone. One at a time removes it: for two, either takes the other's for done. */
  #isTidy: Promise<void> = Promise.resolve();

  /**
   * @param folder shared, at the same path; its `etc` is laid over /etc, its `var` is /var, at each boot
   * @param steps shell lines in its root, before it boots
   * @param tree of which system the programs are, systemd among them: this machine's, or an unpacked one's
   */
  constructor(folder: string, steps = "", tree = "/") {
    this.#folder = folder;
    this.#steps = steps;
    this.#tree = tree;
    this.#cgroup = join(cgroupRoot() ?? "", `${basename(dirname(folder))}-${basename(folder)}`);
    for (const name of ["etc", "var", "root"]) mkdirSync(join(folder, name), { recursive: true });
  }

  /**
   * Starts it, and waits until a target is reached.
   * @param target if given, the system finds out itself which one to start, and this one is waited for. @default `multi-user.target`
   * @throws Error with what systemd said and the states of its units, if it ends or does not reach the target within a minute
   */
  async boot(bootId: string, target?: string): Promise<void> {
    this.#boots += 1;
    writeFileSync(join(this.#folder, "boot_id"), `${bootId}\n`);
    mkdirSync(this.#cgroup, { recursive: true });
    const script = join(this.#folder, "boot.sh");
    const start = target === undefined ? "--unit=multi-user.target" : "";
    writeFileSync(script, bootScript(this.#folder, this.#steps, this.#tree, start));
    const isolated = "--mount --pid --fork --kill-child --uts --ipc --net".split(" ");
    // The death signal: a test that is killed leaves no machine behind.
    const words = ["--pdeathsig", "KILL", "unshare", ...isolated, "bash", script, this.#cgroup];
    const process = begin(words);
    this.#process = process;
    let said = "";
    process.all.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
    const boots = this.#boots;
    this.#isTidy = process.then(() => this.#ended(boots));
    const wanted = target ?? "multi-user.target";
    for (const until = Date.now() + limits.boot; ; ) {
      if (process.exitCode !== null && process.exitCode !== undefined) throw new Error(`systemd ended: ${said}`);
      if ((await this.run("systemctl", "is-active", "--quiet", wanted)).exitCode === 0) return;
      if (Date.now() > until) throw new Error(`${wanted} was not reached.\n${said}\n${await this.#states()}`);
      // Also lets this process hear that systemd has ended.
      await sleep(10);
    }
  }

  /** What it is waiting for, and which units failed. */
  async #states(): Promise<string> {
    const jobs = await this.run("systemctl", "list-jobs", "--no-pager");
    const units = await this.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "--no-pager");
    return `${jobs.all}\n${units.all}`;
  }

  /** Runs a command as root on it, for up to five minutes. */
  async run(...words: string[]) {
    const pid = this.#firstProcess();
    const options = { reject: false, extendEnv: false, env, all: true, timeout: limits.command } as const;
    if (pid === undefined) return { exitCode: 1, stdout: "", all: "it does not run" };
    return await execa("nsenter", [`--target=${pid}`, "--all", ...words], options);
  }

  /** Words that run a command of this machine's in its network. */
  inItsNetwork(...words: string[]): string[] {
    return ["nsenter", `--target=${this.#firstProcess() ?? 0}`, "--net", ...words];
  }

  get isRunning(): boolean {
    return this.#firstProcess() !== undefined;
  }

  /** Everything of it ends at once. */
  async losePower(): Promise<void> {
    this.#process?.kill("SIGKILL");
    await this.#isTidy;
  }

  #firstProcess(): number | undefined {
    const pid = this.#process?.pid;
    if (pid === undefined) return undefined;
    try {
      const child = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
      return child === "" ? undefined : Number(child);
    } catch (error) {
      if (hasCode(error, "ENOENT")) return undefined;
      throw error;
    }
  }

  /** Its group goes when its last process has. */
  async #ended(boots: number): Promise<void> {
    const remove = (path: string): void => {
      for (const entry of readdirSync(path, { withFileTypes: true })) {
        if (entry.isDirectory()) remove(join(path, entry.name));
      }
      rmdirSync(path);
    };
    for (const until = Date.now() + limits.end; boots === this.#boots; ) {
      try {
        remove(this.#cgroup);
      } catch (error) {
        if (hasCode(error, "ENOENT")) return;
        if (!hasCode(error, "EBUSY") || Date.now() > until) throw error;
        await sleep(10);
      }
    }
  }
}

const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C", container: "clawdlets" };

/** Milliseconds that each may take. */
const limits = { boot: 60_000, command: 300_000, end: 30_000 };

const begin = (words: readonly string[]) =>
  execa("setpriv", words, { reject: false, all: true, stdin: "ignore", extendEnv: false, env });

/** The first process of the machine, until it is systemd. */
function bootScript(folder: string, steps: string, tree: string, start: string): string {
  const root = join(folder, "root");
  const [usr, etc] = [join(tree, "usr"), join(tree, "etc")];
  return `set -eu
echo 0 >"$1/cgroup.procs"
exec unshare --cgroup bash -s <<'END'
set -eu
R='${root}'
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$R"
cd "$R"
mkdir -m 755 usr proc sys dev run tmp etc root home nix
for each in bin sbin lib lib64; do ln -s usr/$each $each; done
mount --rbind '${usr}' usr
units=$(mktemp -d)
for each in ${needed.join(" ")}; do cp '${usr}'/lib/systemd/system/$each.target "$units"; done
cp '${usr}'/lib/systemd/system/systemd-reboot.service "$units"
mount -t tmpfs -o mode=755 tmpfs usr/lib/systemd/system
cp "$units"/* usr/lib/systemd/system && rm -r "$units"
mount -t tmpfs tmpfs usr/lib/systemd/system-generators
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount --bind '${folder}/boot_id' proc/sys/kernel/random/boot_id
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
mount -t tmpfs -o mode=1777 tmpfs tmp
for each in null zero full random urandom tty; do touch dev/$each; mount --bind /dev/$each dev/$each; done
mkdir dev/shm dev/pts
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
for each in ${settings.join(" ")}; do [ ! -e '${etc}'/$each ] || cp -a '${etc}'/$each etc/; done
cp -a '${folder}/etc/.' etc/
echo uninitialized >etc/machine-id
mkdir var && mount --bind '${folder}/var' var
mkdir -p '.${folder}' && mount --bind '${folder}' '.${folder}'
ip link set lo up
${steps}
mkdir old
pivot_root . old
umount -l /old
cd /
mount --make-rshared / # As process 1 of a host does. Without it a newer systemd's credentials never reach the unit.
exec /usr/lib/systemd/systemd ${start} --log-target=console --log-level=notice --show-status=no </dev/null
END
`;
}
