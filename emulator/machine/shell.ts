import { Buffer, isUtf8 } from "node:buffer";
import { Bash, type CommandName, defineCommand, latin1FromBytes } from "just-bash";
import { activateCommands } from "./commands/activate.ts";
import { backupCommands } from "./commands/backup.ts";
import type { CommandTable, ExecResult, Session } from "./commands/context.ts";
import { failed } from "./commands/context.ts";
import { fileCommands } from "./commands/files.ts";
import { inspectCommands } from "./commands/inspect.ts";
import { installCommands, storeScript } from "./commands/install.ts";
import { operateCommands } from "./commands/operate.ts";
import { permissionCommands } from "./commands/permissions.ts";
import { secretCommands } from "./commands/secrets.ts";
import { cloudInit, systemCommands } from "./commands/system.ts";
import { tarCommands } from "./commands/tar.ts";
import { ROOT } from "./files/inode.ts";
import { SessionFs } from "./files/session-fs.ts";
import type { FileTree } from "./files/tree.ts";
import type { User } from "./files/users.ts";
import { Volume } from "./files/volume.ts";
import type { MachineControls } from "./system/machine-controls.ts";

export interface ShellResult {
  stdout: Buffer;
  stderr: Buffer;
  exitCode: number;
}

/** A command that is to end badly, for tests of what a caller then does. */
export interface CommandFault {
  command: string;
  exitCode: number;
  stderr: string;
  times: number;
  hangs: boolean;
}

// Built-in commands of the interpreter. Without anything that could escape a sandbox or that a minimal Debian lacks.
const BUILT_IN: CommandName[] = [
  "echo",
  "printf",
  "ls",
  "rmdir",
  "touch",
  "rm",
  "cp",
  "mv",
  "ln",
  "pwd",
  "readlink",
  "head",
  "tail",
  "wc",
  "grep",
  "fgrep",
  "egrep",
  "sed",
  "awk",
  "sort",
  "uniq",
  "cut",
  "tr",
  "tee",
  "find",
  "basename",
  "dirname",
  "du",
  "env",
  "printenv",
  "xargs",
  "true",
  "false",
  "bash",
  "sh",
  "date",
  "sleep",
  "timeout",
  "seq",
  "expr",
  "base64",
  "sha256sum",
  "md5sum",
  "which",
  "od",
  "gzip",
  "gunzip",
  "zcat",
  "diff",
  "paste",
  "rev",
  "tac",
  "split",
  "comm",
  "join",
  "nl",
  "strings",
];

/** `sleep` in the guest lasts a twentieth: the real scripts wait for real hardware. */
const SLEEP_FACTOR = 0.05;

/** Runs a command line as sshd would hand it to the login shell. */
export async function runCommand(given: {
  machine: MachineControls;
  tree: FileTree;
  user: User;
  command: string;
  stdin: Buffer;
  signal: AbortSignal;
  faults: CommandFault[];
}): Promise<ShellResult> {
  const { machine, user } = given;
  const table = commandsOf(machine);
  const session: Session = {
    machine,
    user,
    fs: new SessionFs(given.tree, user),
    run: async (name, args, context, as) => {
      const fault = await strike(name, given.faults, given.signal);
      const execute = table[name] ?? (() => failed(`bash: ${name}: command not found`, 127));
      return fault ?? (await execute(args, context, { ...session, user: as }));
    },
  };
  mountPrograms(given.tree, [...BUILT_IN, ...Object.keys(table)]);
  // The interpreter hands over text, or bytes one a character where they were no text, and does not say which.
  let isRaw = false;
  const bash = new Bash({
    fs: session.fs,
    cwd: given.tree.find(user.home, user).node?.kind === "dir" ? user.home : "/",
    commands: BUILT_IN,
    customCommands: Object.keys(table).map((name) =>
      defineCommand(name, async (args, context) => {
        const result = await session.run(name, args, context, user);
        isRaw ||= isBytes(result) && !isUtf8(Buffer.from(result.stdout, "latin1"));
        return result;
      }),
    ),
    env: {
      HOME: user.home,
      USER: user.name,
      LOGNAME: user.name,
      SHELL: "/bin/bash",
      PATH: "/run/wrappers/bin:/run/current-system/sw/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    },
    // It guards against JavaScript of the guest's, of which there is none here, by patching this whole process's globals.
    defenseInDepth: false,
    processInfo: { uid: user.uid, gid: user.gid },
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms * SLEEP_FACTOR)),
  });
  try {
    const result = await bash.exec(storeScript(given.command) ?? given.command, {
      stdin: given.stdin.toString("latin1"),
      stdinKind: "bytes",
      rawScript: true,
      signal: given.signal,
    });
    return {
      stdout: Buffer.from(result.stdout, isRaw ? "latin1" : "utf8"),
      stderr: Buffer.from(sayNotEmulated(result.stderr)),
      exitCode: result.exitCode,
    };
  } catch (error) {
    // The interpreter lets errors of the file system escape from redirections; a shell would say so and go on to fail.
    const message = error instanceof Error ? error.message : String(error);
    const denied = /^EACCES.*'(.*)'/.exec(message);
    const text = denied === null ? `bash: ${message}` : `bash: ${denied[1]}: Permission denied`;
    return { stdout: Buffer.alloc(0), stderr: Buffer.from(`${text}\n`), exitCode: 1 };
  }
}

/** The interpreter runs what it finds in PATH, so each command has its file there, in memory and not on the disk. */
function mountPrograms(tree: FileTree, names: string[]): void {
  if (tree.mounts.has("/bin")) return;
  const bin = new Volume(null);
  const usr = new Volume(null);
  tree.mounts.set("/bin", bin);
  tree.mounts.set("/usr", usr);
  tree.makeDirectory("/usr/bin", ROOT);
  for (const name of names) {
    for (const folder of ["/bin", "/usr/bin"])
      tree.writeFile(`${folder}/${name}`, Buffer.from(`emulated ${name}\n`), ROOT, 0o755);
  }
}

function isBytes(result: ExecResult): boolean {
  return result.stdoutKind === "bytes" || result.stdoutEncoding === "binary";
}

function sayNotEmulated(stderr: string): string {
  return stderr.replace(/: command not found$/gm, ": command not found (not emulated)");
}

const shells: CommandTable = { sh: shell, bash: shell };

/** `sh`, `sh --`, `sh -s`, `sh -eu`: a script on standard input. `sh -c TEXT` and `sh FILE` the interpreter knows. */
async function shell(args: string[], context: Parameters<CommandTable[string]>[1]): Promise<ExecResult> {
  const words = args.filter((arg) => arg !== "--" && arg !== "-s" && arg !== "-l" && arg !== "--login");
  const isScript = words.some((word) => !word.startsWith("-")) || words.some((word) => /^-[a-z]*c/.test(word));
  if (isScript && context.origCommand !== undefined) return context.origCommand(words);
  if (context.exec === undefined) return failed("sh: cannot run here");
  const options = words.length === 0 ? "" : `set ${words.join(" ")}\n`;
  const script = Buffer.from(latin1FromBytes(context.stdin), "latin1").toString("utf8");
  return context.exec(`${options}${script}`, { cwd: context.cwd, env: context.exportedEnv ?? {} });
}

function commandsOf(machine: MachineControls): CommandTable {
  const { kexec, disko, "nixos-install": nixosInstall, ...installed } = installCommands;
  const installing: Record<string, CommandTable[string] | undefined> =
    machine.os === "debian"
      ? { kexec, "cloud-init": cloudInit }
      : machine.os === "installer"
        ? { kexec, disko, "nixos-install": nixosInstall, ...installed }
        : {
            ...installed,
            ...secretCommands,
            ...activateCommands,
            ...backupCommands,
            ...operateCommands,
            ...inspectCommands,
          };
  const { wget, curl, cpio, ...everywhere } = systemCommands;
  const fetching = machine.os === "nixos" ? {} : { wget, curl, cpio };
  const table: CommandTable = { ...fileCommands, ...permissionCommands, ...tarCommands, ...everywhere, ...shells };
  for (const [name, execute] of Object.entries({ ...installing, ...fetching })) {
    if (execute !== undefined) table[name] = execute;
  }
  return table;
}

async function strike(name: string, faults: CommandFault[], signal: AbortSignal): Promise<ExecResult | null> {
  const fault = faults.find((candidate) => candidate.command === name && candidate.times > 0);
  if (fault === undefined) return null;
  fault.times -= 1;
  if (fault.hangs) await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  return failed(fault.stderr, fault.exitCode);
}
