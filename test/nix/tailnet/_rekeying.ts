import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { execa } from "execa";
import { repository } from "../../_repository.ts";
import { controlUrl } from "./_control.ts";

const script = join(repository, "nix/host/rekey.sh");

export interface RekeyState {
  id: string;
  phase: string;
  result: string;
  deadline: string;
  from: string;
  to: string;
  bootId: string;
  why: string;
}

/** Called with the words of `systemctl`. With "lost" it does nothing: the caller was killed before it asked. */
export type Service = (words: string) => Promise<"lost" | undefined>;

/**
 * The real nix/host/rekey.sh and join-tailnet.sh in a folder of their own, with real flock, coreutils and detached processes. Stand-ins
 * are systemctl, which asks this process, and systemd-run; both refuse every other word than those that the script may say.
 */
export class RekeyingHost {
  readonly folder: string;
  readonly tailscaleState: string;
  readonly log: string[] = [];
  /** Called before a service is stopped or started. */
  before: Service = async () => undefined;
  readonly #services: Record<"stop" | "start", () => Promise<void>>;
  readonly #name: string;
  readonly #joinUnit: () => Promise<unknown>;
  readonly #programs: string;
  #server: Server | undefined;
  #boots = 1;
  /** tailscaled does. */
  #runs = true;
  #job: Promise<void> = Promise.resolve();

  /**
   * @param programs folder with `tailscale`
   * @param services how tailscaled is stopped and started; its state is `folder`/tailscaled.state
   */
  constructor(
    folder: string,
    name: string,
    programs: string,
    services: Record<"stop" | "start", () => Promise<void>>,
    joinUnit: () => Promise<unknown>,
  ) {
    this.folder = join(folder, "rekey");
    this.#name = name;
    this.#programs = programs;
    this.#services = services;
    this.#joinUnit = joinUnit;
    this.tailscaleState = join(folder, "tailscaled.state");
    mkdirSync(join(this.folder, "bin"), { recursive: true });
    this.#newBoot();
    const answers = `${process.execPath} --import ${join(repository, "bin/typescript.mjs")} ${join(import.meta.dirname, "_systemctl.ts")} ${join(this.folder, "systemctl")}`;
    this.program("systemctl", `exec ${answers} "$@" 9>&-`);
    this.program("systemd-run", systemdRun(this.folder));
    this.program("self", `exec bash ${script} "$@"`);
  }

  async open(): Promise<this> {
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      let words = "";
      socket.setEncoding("utf8");
      socket.on("error", () => socket.destroy()); // The caller was killed.
      socket.on("data", (text: string) => {
        words += text;
      });
      socket.on("end", async () => socket.end(String(await this.#serve(words))));
    });
    await new Promise<void>((resolve) => this.#server?.listen(join(this.folder, "systemctl"), resolve));
    return this;
  }

  async close(): Promise<void> {
    await this.kill();
    this.#server?.close();
  }

  program(name: string, lines: string): void {
    writeFileSync(join(this.folder, "bin", name), `#!/bin/sh\n${lines}\n`, { mode: 0o755 });
  }

  get env(): Record<string, string> {
    const at = (name: string) => join(this.folder, name);
    return {
      PATH: `${at("bin")}:${this.#programs}:/usr/sbin:/usr/bin:/sbin:/bin`,
      STATE_DIR: at("state"),
      RUN_DIR: at("run"),
      LOCKS: at("locks"),
      BOOT_ID: at("boot_id"),
      TAILSCALE_STATE: this.tailscaleState,
      KEPT_STATE: `${this.tailscaleState}.kept`,
      ACTIVATION: at("activation.json"),
      SELF: at("bin/self"),
      JOIN: join(repository, "nix/host/join-tailnet.sh"),
      SSH: "false",
      LOGIN_SERVER: controlUrl,
      TAGS: "",
      UP_FLAGS: `--hostname=${this.#name}`,
    };
  }

  async order(input: string, ...args: string[]) {
    const options = { env: this.env, extendEnv: false, input, reject: false } as const;
    const { exitCode = -1, stdout, stderr } = await execa("bash", [script, ...args], options);
    return { exitCode, stdout, stderr };
  }

  /** What the timer starts. */
  watch = () => this.order("", "watch");

  /** Undefined if there has never been one. */
  get state(): RekeyState | undefined {
    const file = join(this.folder, "state/state.json");
    return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as RekeyState) : undefined;
  }

  get journal(): string {
    const file = join(this.folder, "journal");
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  }

  get hasKey(): boolean {
    return existsSync(join(this.folder, "run/key"));
  }

  get keepsState(): boolean {
    return existsSync(`${this.tailscaleState}.kept`);
  }

  /** kill -9 of the unit: its whole session. */
  async kill(): Promise<void> {
    const file = join(this.folder, "pid");
    if (!existsSync(file)) return;
    const session = readFileSync(file, "utf8").trim();
    for (;;) {
      const { stdout } = await execa("ps", ["-o", "pid=,stat=", "-s", session], { reject: false });
      const left = stdout.split("\n").filter((line) => /\d/.test(line) && !/\sZ/.test(line));
      if (left.length === 0) return;
      await execa("kill", ["-9", ...left.map((line) => line.trim().split(/\s+/)[0] ?? "")], { reject: false });
    }
  }

  /** As the join unit does while it works. */
  async holdTailnetLock(work: () => Promise<void>): Promise<void> {
    mkdirSync(join(this.folder, "locks"), { recursive: true });
    const lock = execa("flock", [join(this.folder, "locks/tailnet.lock"), "sh", "-c", "echo held; exec cat"], {
      reject: false,
    });
    await once(lock.stdout, "data");
    try {
      await work();
    } finally {
      lock.stdin.end();
      await lock;
    }
  }

  /** The power fails and comes back: the key in /run is gone, tailscaled starts with what is on the disk, then the units. */
  async reboot(): Promise<void> {
    await this.kill();
    await this.#stop();
    rmSync(join(this.folder, "run"), { recursive: true, force: true });
    rmSync(join(this.folder, "locks"), { recursive: true, force: true });
    this.#boots += 1;
    this.#newBoot();
    await this.#start();
    await this.#joinUnit();
  }

  #stop(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#runs) await this.#services.stop();
      this.#runs = false;
    });
  }

  #start(): Promise<void> {
    return this.#inTurn(async () => {
      if (!this.#runs) await this.#services.start();
      this.#runs = true;
    });
  }

  /** A start or stop whose caller was killed goes on, as systemd's jobs do, and the next one waits for it. */
  #inTurn(job: () => Promise<void>): Promise<void> {
    const ended = this.#job.then(job);
    this.#job = ended.catch(() => undefined);
    return ended;
  }

  #newBoot(): void {
    writeFileSync(join(this.folder, "boot_id"), `boot-${this.#boots}\n`);
  }

  /** @returns its exit code */
  async #serve(words: string): Promise<number> {
    if (words === "is-active --quiet clawdlets-rekey.service") return (await this.isUnitActive()) ? 0 : 3;
    this.log.push(words);
    if ((await this.before(words)) === "lost") return 1;
    if (words === "stop tailscaled.service") await this.#stop();
    else if (words === "start tailscaled.service") await this.#start();
    else if (words === "--no-block restart clawdlets-tailnet.service") void this.#joinUnit();
    else return 1;
    return 0;
  }

  async isUnitActive(): Promise<boolean> {
    const file = join(this.folder, "pid");
    if (!existsSync(file)) return false;
    const { stdout } = await execa("ps", ["-o", "stat=", "-p", readFileSync(file, "utf8").trim()], { reject: false });
    return /^[^Z\s]/.test(stdout.trim());
  }
}

/** As the real one with Type=exec: what it starts is not of the caller's session, and it has started when the call ends. */
const systemdRun = (folder: string) => `
words="--quiet --collect --unit=clawdlets-rekey.service --property=Type=exec --property=KillMode=mixed"
[ "$1 $2 $3 $4 $5" = "$words" ] || { echo "systemd-run: $*" >&2; exit 1; }
shift 5
rm -f '${folder}/pid'
setsid sh -c 'echo $$ >"$0.new"; mv "$0.new" "$0"; exec "$@"' '${folder}/pid' "$@" >>'${folder}/journal' 2>&1 </dev/null 9>&- &
until [ -e '${folder}/pid' ]; do sleep 0.01; done`;
