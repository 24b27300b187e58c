import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { type BackupState, parseBackups } from "../../../core/host/facts/backups.ts";
import { path, whereIs } from "../../_debian.ts";
import { temporaryFolder } from "../../_project.ts";
import { repository } from "../../_repository.ts";

const root = (name: string) => join(repository, "nix/host", name);

/** What a repository needs: restic's address, and the login as files of the unit's credentials. */
export interface TestRepository {
  kind: "s3" | "rest" | "sftp" | "local";
  url: string;
  credentials: Readonly<Record<string, string>>;
}

/** The password of every repository here. No log, store, argument or variable may have it. */
export const password = "canary-restic-password-0123456789";
export const uid = 45_584;

/**
 * The real nix/host/backup.sh and restic.sh with the real restic, in a folder. systemctl stands in: it runs what the units run, in
 * their environment, and knows which bots run.
 */
export class BackupHost {
  readonly folder = temporaryFolder();
  readonly folders = join(this.folder, "srv");
  readonly run = join(this.folder, "run");
  readonly log = join(this.folder, "journal");
  readonly commandLines = join(this.folder, "command-lines");
  bots = "maren";
  /** Of restic's unit. */
  more: Record<string, string> = {};
  readonly #repository: TestRepository;

  constructor(given: TestRepository, shim: string | null) {
    this.#repository = given;
    for (const name of ["srv", "run", "bin", "credentials", "cache", "units", "state"])
      mkdirSync(join(this.folder, name));
    this.setPassword(password);
    for (const [name, text] of Object.entries(given.credentials)) {
      this.#put(`credentials/${name}`, text);
      chmodSync(join(this.folder, "credentials", name), 0o400); // As systemd gives them to a unit.
    }
    this.#put("excludes", "*.tmp\n");
    this.userIs(uid);
    if (shim !== null) this.#program("mv", shim);
    this.#program("systemctl", systemctl(this.folder));
    this.#program("restic", restic(this.folder));
    this.#put("env", "");
  }

  setPassword(text: string): void {
    this.#put("credentials/restic_password", `${text}\n`);
  }

  userIs(number: number): void {
    this.#put(
      "passwd",
      `root:x:0:0::/:/bin/sh\nbot-marenx:x:7:7::/:/bin/sh\nbot-maren:x:${number}:${number}::/:/bin/sh\n`,
    );
  }

  /** A bot's folder with what a backup has to get right. */
  async fill(bot = "maren"): Promise<void> {
    const home = join(this.folders, bot);
    await this.#sh(`mkdir -p '${home}/workspace/deep er' '${home}/closed' && cd '${home}'
      printf 'state of ${bot}\\n' >state.json && head -c 300000 /dev/urandom >workspace/blob && printf x >'workspace/deep er/ü\\n"1'
      ln -s /etc/shadow link && ln workspace/blob hard && mkfifo pipe && : >empty && printf t >left-out.tmp
      chmod 600 state.json && chmod 000 closed && chmod 4750 empty && touch -d 2020-02-02T02:02:02Z workspace/blob
      chmod 700 . && chown -Rh ${uid}:${uid} .`);
  }

  /** Every file of a bot: type, mode, owner, time, size, link and content. */
  async contentOf(bot = "maren", from = join(this.folders, bot)): Promise<string> {
    return await this.#sh(`cd '${from}' && find . ! -name '*.tmp' -printf '%p %y %m %U %G %n %T+ %l\\n' | sort
      find . -type f ! -name '*.tmp' -exec sha256sum {} + | sort`);
  }

  /** Gives an order as admin does. */
  async order(line: string) {
    return await this.script([], `${line}\n`);
  }

  async script(args: readonly string[], input = "", before: readonly string[] = []) {
    const [program = "", ...words] = [...before, "bash", root("backup.sh"), ...args];
    return await execa(program, words, { env: this.env, extendEnv: false, input, reject: false });
  }

  get env(): Record<string, string> {
    this.#put(
      "env",
      Object.entries(this.#resticEnv())
        .map(([key, value]) => `${key}='${value}'\n`)
        .join(""),
    );
    return {
      PATH: [join(this.folder, "bin"), path].join(delimiter),
      STATE_DIR: join(this.folder, "state"),
      RUN_DIR: this.run,
      LOCKS: join(this.folder, "locks"),
      FOLDERS: this.folders,
      PASSWD: join(this.folder, "passwd"),
      BOTS: this.bots,
      BACKUP_USER: "root",
      BACKUP_SECONDS: "100",
      SETTLE_SECONDS: "1",
      SCRIPT: root("backup.sh"),
      RESTIC_SCRIPT: root("restic.sh"),
    };
  }

  state(): BackupState {
    const state = parseBackups(readFileSync(join(this.folder, "state/state.json"), "utf8"));
    if (!state) throw new Error("no state");
    return state;
  }

  journal(): string {
    return existsSync(this.log) ? readFileSync(this.log, "utf8") : "";
  }

  /** The next backup is killed when it has taken its lock, with the script that runs it. @param locks folder of the repository */
  killBackup(locks: string): void {
    this.#put("kill-backup", locks);
  }

  /** The run that comes to this call of systemctl is killed there, once. */
  killAt(call: string): void {
    this.#put("kill-at", call);
  }

  /** Which bots run, by the stand-in. One whose state.json says "broken" ends as soon as it has started; a stuck one cannot be stopped. */
  setUnit(bot: string, state: "active" | "inactive" | "stuck"): void {
    this.#put(`units/clawdbot-${bot}.service`, state);
  }
  unit(bot: string): string {
    return readFileSync(join(this.folder, `units/clawdbot-${bot}.service`), "utf8").trim();
  }

  /** The words of restic's own, with the host's settings. */
  async restic(...words: string[]) {
    const env = { ...this.#resticEnv(), PATH: path };
    const own = {
      RESTIC_REPOSITORY: this.#repository.url,
      RESTIC_PASSWORD_FILE: join(this.folder, "credentials/restic_password"),
      AWS_SHARED_CREDENTIALS_FILE: join(this.folder, "credentials/restic_s3"),
      RESTIC_CACHE_DIR: join(this.folder, "cache"),
    };
    const region = this.#repository.kind === "s3" ? ["-o", "s3.region=nbg1"] : [];
    return await execa("restic", [...region, ...words], { env: { ...env, ...own }, extendEnv: false, reject: false });
  }

  #resticEnv(): Record<string, string> {
    return {
      CREDENTIALS_DIRECTORY: join(this.folder, "credentials"),
      CACHE_DIRECTORY: join(this.folder, "cache"),
      KIND: this.#repository.kind,
      REPOSITORY: this.#repository.url,
      REGION: this.#repository.kind === "s3" ? "nbg1" : "",
      HOST_NAME: "web-1",
      FOLDERS: this.folders,
      EXCLUDES: join(this.folder, "excludes"),
      KEEP: "--keep-daily 7 --keep-weekly 4",
      CHECK_SUBSET: "100%",
      LIMIT_SECONDS: "60",
      LOCK_SECONDS: "0",
      LOCK_PAUSE: "0.1",
      HOME: "/nonexistent",
      TARGET: join(this.folders, ".restore/maren"),
      ...this.more,
    };
  }

  #put(name: string, text: string): void {
    writeFileSync(join(this.folder, name), text);
  }

  #program(name: string, text: string): void {
    this.#put(`bin/${name}`, `#!/usr/bin/env bash\n${text}\n`);
    chmodSync(join(this.folder, "bin", name), 0o755);
  }

  async #sh(script: string): Promise<string> {
    return (
      await execa("bash", ["--norc", "-euc", script], { env: { PATH: path, LC_ALL: "C.UTF-8" }, extendEnv: false })
    ).stdout;
  }
}

/** The real one, with what it was given noted. */
const restic = (folder: string) => `{ printf '%s ' "$@"; env; } >>'${folder}/command-lines'
case " $* " in *" backup "*)
  if [ -e '${folder}/kill-backup' ]; then
    locks=$(cat '${folder}/kill-backup') script=$(ps -o ppid= -p $PPID)
    rm '${folder}/kill-backup'
    ${whereIs("restic")} "$@" &
    until ls "$locks" | grep -qvE 'tmp|^$'; do sleep 0.01; done
    kill -KILL $! $script
    exit 1
  fi ;;
esac
exec ${whereIs("restic")} "$@"`;

/** The service manager: units of restic run to their end, those of bots are a file each, a restore runs as started. */
const systemctl = (folder: string) => `set -u
words=("$@") unit=\${words[-1]} verb=$1
units='${folder}/units'
echo "systemctl $*" >>'${folder}/journal'
if [ "$(cat '${folder}/kill-at' 2>/dev/null)" = "$*" ]; then
  rm '${folder}/kill-at'
  kill -KILL "$(cat '${folder}/pid')"
fi
restic() { # OUT ACTION...
  out=$1; shift
  env -i PATH="$PATH" bash --norc -c 'set -a; . "$1"; [ ! -e "$2" ] || . "$2"; set +a; shift 2; exec bash "$@"' - \
    '${folder}/env' '${folder}/run/'"\${extra:-none}" "$RESTIC_SCRIPT" "$@" >'${folder}/run/'"$out.out" 2>>'${folder}/journal'
}
name=\${unit%.service} bot=\${name#*@}
case "$verb $name" in
"start clawdlets-backup@"*) extra=$bot.env; restic "$bot" backup "$bot" ;;
"start clawdlets-restore@"*) extra=$bot.restore.env; restic "$bot.restore" restore "$bot" ;;
"start clawdlets-backup-repository@"*) restic "$bot" "$bot" ;;
"start clawdlets-backup") bash "$SCRIPT" run >>'${folder}/journal' 2>&1 || true ;;
"start clawdlets-backup-check") bash "$SCRIPT" run-check >>'${folder}/journal' 2>&1 || true ;;
"start clawdlets-restore") bash "$SCRIPT" run-restore >>'${folder}/journal' 2>&1 & echo $! >'${folder}/pid'; wait || true ;;
"stop clawdbot-"*) [ "$(cat "$units/$unit")" = stuck ] && exit 1; echo inactive >"$units/$unit" ;;
"start clawdbot-"*) grep -q broken '${folder}/srv/maren/state.json' || grep -q stuck "$units/$unit" || echo active >"$units/$unit" ;;
"show clawdbot-"*) case "$*" in *ActiveState*) cat "$units/$unit" ;; *) echo loaded ;; esac ;;
"is-active clawdbot-"*) grep -qE 'active|stuck' "$units/$unit" && ! grep -q inactive "$units/$unit" ;;
"stop "*) ;;
*) echo "systemctl: unknown: $*" >&2; exit 1 ;;
esac`;
