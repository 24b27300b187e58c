import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { path } from "../_debian.ts";
import { temporaryFolder } from "../_project.ts";

export interface Attempt {
  exitCode: number;
  stdout: string;
  stderr: string;
}

export const quoted = (word: string) => `'${word.replaceAll("'", `'\\''`)}'`;

/**
 * A line of sh that gives a mount namespace an /etc that may be written to, with the files of this machine's. Other tests change
 * those meanwhile: files that are gone before they are read are left out.
 */
export const ownEtc =
  "mkdir -p /run/etc && tar -C /etc --exclude=./netns --ignore-failed-read -c . | tar -C /run/etc -xp && mount --bind /run/etc /etc";

const passwd = `root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
sshd:x:100:65534::/run/sshd:/usr/sbin/nologin
admin:x:1000:100::/home/admin:/bin/sh
breakglass:x:1001:100::/home/breakglass:/bin/sh
bot-maren:x:45584:45584::/srv/clawdbot/maren:/bin/sh
`;
const group = "root:x:0:\nwheel:x:1:breakglass\nusers:x:100:\nnogroup:x:65534:\nbot-maren:x:45584:\n";

/**
 * A mount namespace with the users and files of one of our hosts laid over this machine's; only one process and its children see
 * it. Processes end with it. Needs root.
 */
export class PrivateMachine {
  readonly folder = temporaryFolder();
  readonly #steps: string[] = [];

  /** @param passwordHash crypt(3), for all users: the passwords are right, so that only settings can refuse them */
  constructor(passwordHash = "*") {
    const names = passwd.split("\n").flatMap((line) => line.split(":")[0] || []);
    this.place("/etc/passwd", passwd);
    this.place("/etc/group", group);
    this.place("/etc/shadow", names.map((name) => `${name}:${passwordHash}:19000::::::\n`).join(""), 0o640);
    this.#steps.push(
      "ip link set lo up",
      "mount -t tmpfs -o mode=755 tmpfs /run",
      "mount -t tmpfs -o mode=755 tmpfs /home",
    );
    this.#steps.push(
      "install -d -o 1000 -g 100 -m 700 /home/admin",
      "install -d -o 1001 -g 100 -m 700 /home/breakglass",
    );
  }

  /** Mounts a file over an existing one of this machine. */
  place(target: string, content: string, mode = 0o644): void {
    const file = this.#write(target, content, mode);
    this.#steps.push(`chown root:root ${quoted(file)}`, `mount --bind ${quoted(file)} ${quoted(target)}`);
  }

  /** Mounts an empty folder over an existing one; {@link step} can fill it. */
  empty(target: string): void {
    this.#steps.push(`mount -t tmpfs -o mode=755 tmpfs ${quoted(target)}`);
  }

  /** A shell command to run as root in the machine, before the attempts. */
  step(command: string): void {
    this.#steps.push(command);
  }

  /** Writes a file, which need not exist, in a folder that was mounted over. */
  put(target: string, content: string, mode = 0o644): void {
    const file = this.#write(target, content, mode);
    this.#steps.push(`install -D -o root -g root -m ${mode.toString(8)} ${quoted(file)} ${quoted(target)}`);
  }

  /** A program below /run that prints its arguments. */
  stub(target: string): void {
    const says = `printf 'RAN %s as %s\\n' "$(basename "$0") $*" "$(id -un)"`;
    this.put(target, `#!/bin/sh\nPATH=/usr/bin:/bin\n${says}\n`, 0o755);
  }

  /** Runs shell commands in turn, each with its own result. */
  async run(commands: readonly string[]): Promise<Attempt[]> {
    const out = join(this.folder, "attempts");
    mkdirSync(out, { recursive: true });
    const attempts = commands.map(
      (command, index) =>
        `( ${command}\n) >${out}/${index}.out 2>${out}/${index}.err </dev/null; echo $? >${out}/${index}.code`,
    );
    const script = ["set -eu", ...this.#steps, "set +e", "cd /", ...attempts, "exit 0"].join("\n");
    const options = { env: { PATH: path, LC_ALL: "C" }, extendEnv: false, input: script, reject: false } as const;
    const isolated = ["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--ipc"];
    const { exitCode, stderr } = await execa("unshare", [...isolated, "bash"], options);
    if (exitCode !== 0) throw new Error(`the private machine could not be set up: ${stderr}`);
    const read = (index: number, kind: string) => readFileSync(join(out, `${index}.${kind}`), "utf8");
    return commands.map((_, index) => {
      return { exitCode: Number(read(index, "code")), stdout: read(index, "out"), stderr: read(index, "err") };
    });
  }

  #write(target: string, content: string, mode: number): string {
    const file = join(this.folder, "files", target);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content, { mode });
    return file;
  }
}

/** A command line as one of the machine's users. */
export const as = (user: string, ...words: string[]) =>
  `setpriv --reuid=${user} --regid=$(id -g ${user}) --init-groups ${words.map(quoted).join(" ")}`;
