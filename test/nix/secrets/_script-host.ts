import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { execa } from "execa";
import { onTestFinished } from "vitest";
import { engine, repository } from "../../toolchain/_stack.ts";
import { type Answer, type Contents, line, type ReceivingHost } from "./_receiving-host.ts";

export const script = join(repository, "nix/host/receive-secrets.sh");

/** The real nix/host/receive-secrets.sh in a folder of its own. All is real but systemctl, which only notes. */
export class ScriptHost implements ReceivingHost {
  readonly folder = mkdtempSync(join(tmpdir(), "clawdlets-host-"));
  readonly bin = join(this.folder, "bin");
  readonly keyFile = join(this.folder, "sops-nix/key.txt");
  readonly secretsDir = join(this.folder, "hosts/web-1");
  /** Of its environment. */
  more: Record<string, string> = {};
  readonly #log = join(this.folder, "units.log");

  constructor({ secrets, key }: Contents, exchange: string | null) {
    onTestFinished(() => rmSync(this.folder, { recursive: true, force: true }));
    mkdirSync(join(this.folder, "hosts"));
    for (const [name, content] of Object.entries(secrets ?? {})) this.#put(`hosts/web-1/${name}`, content);
    this.#put("sops-nix/key.txt", key);
    chmodSync(this.keyFile, 0o400);
    if (exchange !== null) this.program("mv", exchange);
    this.failUnit(null);
  }

  get env(): Record<string, string> {
    return {
      PATH: [this.bin, engine.binDir, process.env["PATH"] ?? ""].join(delimiter),
      SECRETS_DIR: this.secretsDir,
      AGE_KEY_FILE: this.keyFile,
      LOCK_FILE: join(this.folder, "locks/lock"),
      HOME: this.folder,
      ...this.more,
    };
  }

  async send(input: Buffer, ...args: string[]): Promise<Answer> {
    const options = { env: this.env, extendEnv: false, input, reject: false, stripFinalNewline: false } as const;
    const { exitCode, stdout, stderr } = await execa("bash", [script, ...args], options);
    return { status: exitCode ?? -1, stdout, stderr };
  }

  async files(): Promise<Record<string, string>> {
    const found: Record<string, string> = {};
    for (const top of ["hosts", "sops-nix"]) {
      const paths = readdirSync(join(this.folder, top), { recursive: true, encoding: "utf8" });
      for (const path of paths.map((name) => join(top, name)).sort()) {
        const at = join(this.folder, path);
        const { mode, uid, gid } = statSync(at);
        const content = statSync(at).isDirectory() ? "folder" : readFileSync(at);
        found[path] = line(mode & 0o7777, `${uid}:${gid}`, content);
      }
    }
    return found;
  }

  async keyText(): Promise<string> {
    return readFileSync(this.keyFile, "utf8");
  }

  async units(): Promise<string[]> {
    return readFileSync(this.#log, { encoding: "utf8", flag: "a+" }).split("\n").filter(Boolean);
  }

  failUnit(unit: string | null): void {
    this.program(
      "systemctl",
      `case " $* " in *" ${unit ?? "none of them"} "*) exit 1; esac\necho "$*" >>"${this.#log}"`,
    );
  }

  async allowPassword(): Promise<void> {
    this.more = { ...this.more, PASSWORD_MARKER: join(this.folder, "may-change") };
    writeFileSync(join(this.folder, "may-change"), "");
  }

  async plant(path: string, content: string): Promise<void> {
    this.#put(path, content);
  }

  /** Puts a program of this name before all others. */
  program(name: string, lines: string): void {
    mkdirSync(dirname(join(this.bin, name)), { recursive: true });
    writeFileSync(join(this.bin, name), `#!/bin/sh\n${lines}\n`, { mode: 0o755 });
  }

  #put(path: string, content: string | Buffer): void {
    mkdirSync(dirname(join(this.folder, path)), { recursive: true });
    writeFileSync(join(this.folder, path), content);
  }
}

/**
 * The lines of a stand-in for mv, where the machine's own is older than coreutils 9.5 (Debian 12 has 9.1) and knows no
 * --exchange: then python makes the same system call, renameat2 with RENAME_EXCHANGE. Null where mv needs none.
 */
export function exchangeShim(): Promise<string | null> {
  shim ??= findShim();
  return shim;
}

let shim: Promise<string | null> | undefined;

async function findShim(): Promise<string | null> {
  const { stdout } = await execa("mv", ["--help"]);
  if (stdout.includes("--exchange")) return null;
  const [{ stdout: mv }, { stdout: python }] = await Promise.all([
    execa("sh", ["-c", "command -v mv"]),
    execa("python3", ["-c", "import sys; print(sys.executable)"]),
  ]);
  return `case " $* " in *" --exchange "*) ;; *) exec ${mv} "$@"; esac
exec ${python} -IS -c 'import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
one, other = map(os.fsencode, sys.argv[-2:])
if libc.renameat2(-100, one, -100, other, 2) != 0: sys.exit(os.strerror(ctypes.get_errno()))' "$@"`;
}
