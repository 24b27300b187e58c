import type { ExecResult, ResolvedCommandContext } from "just-bash";
import type { SessionFs } from "../files/session-fs.ts";
import type { User } from "../files/users.ts";

export type { ExecResult } from "just-bash";
export type CommandContext = ResolvedCommandContext;

/** What the commands of one machine can do to it. */
export interface Host {
  readonly os: "debian" | "installer" | "nixos";
  readonly hostname: string;
  readonly architecture: "x86" | "arm";
  readonly normalUsers: readonly string[];
  /** While cloud-init is still at work: resolves when it ends, or the machine goes down. */
  readonly cloudInit: Promise<void> | null;
  isMounted(): boolean;
  /** Boots the installer without the firmware: memory is new, the disk stays. Takes effect a little later. */
  kexec(): void;
  reboot(): void;
  powerOff(): void;
  /** What disko does: an empty disk, mounted on /mnt. */
  formatDisk(): void;
  /** @returns an error text, or null. */
  installSystem(systemPath: string): string | null;
  activateSystem(systemPath: string): string | null;
  /** Of this boot. */
  readonly bootId: string;
  /** Does something in a while, as a unit of the machine's own would; not if it goes down before. */
  later(ms: number, act: () => void | Promise<void>): void;
  /** Runs a command after its session has ended, as `nohup … &` does. */
  runDetached(command: string, user: User): void;
}

export interface Session {
  host: Host;
  user: User;
  fs: SessionFs;
  /** Runs another command of this machine as somebody. */
  run(name: string, args: string[], context: CommandContext, user: User): Promise<ExecResult>;
}

export type Execute = (args: string[], context: CommandContext, session: Session) => Promise<ExecResult> | ExecResult;

/** Commands by name. */
export type CommandTable = Record<string, Execute>;

export function absolute(context: CommandContext, path: string): string {
  return context.fs.resolvePath(context.cwd, path);
}

export function ok(stdout = ""): ExecResult {
  return { stdout, stderr: "", exitCode: 0 };
}

export function failed(stderr: string, exitCode = 1): ExecResult {
  return { stdout: "", stderr: stderr.endsWith("\n") ? stderr : `${stderr}\n`, exitCode };
}

export function fileText(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  if (message.startsWith("EACCES")) return "Permission denied";
  if (message.startsWith("ENOENT")) return "No such file or directory";
  if (message.startsWith("EISDIR")) return "Is a directory";
  if (message.startsWith("ENOTDIR")) return "Not a directory";
  if (message.startsWith("EEXIST")) return "File exists";
  if (message.startsWith("EPERM")) return "Operation not permitted";
  return message;
}

/** Splits `-abc` style flags from operands; `valued` flags take the next argument or their own rest. */
export function parseFlags(args: string[], valued: string): { flags: Map<string, string>; operands: string[] } {
  const flags = new Map<string, string>();
  const operands: string[] = [];
  for (let index = 0; index < args.length; index += 1) {
    const arg = args[index] ?? "";
    if (arg === "--") return { flags, operands: [...operands, ...args.slice(index + 1)] };
    if (arg.startsWith("--")) {
      const [name = "", value] = arg.slice(2).split(/=(.*)/s);
      flags.set(name, value ?? "");
    } else if (arg.startsWith("-") && arg.length > 1) {
      for (let at = 1; at < arg.length; at += 1) {
        const letter = arg[at] ?? "";
        if (!valued.includes(letter)) {
          flags.set(letter, "");
          continue;
        }
        const rest = arg.slice(at + 1);
        flags.set(letter, rest === "" ? (args[index + 1] ?? "") : rest);
        if (rest === "") index += 1;
        break;
      }
    } else {
      operands.push(arg);
    }
  }
  return { flags, operands };
}
