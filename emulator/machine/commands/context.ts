import type { ExecResult, ResolvedCommandContext } from "just-bash";
import type { SessionFs } from "../files/session-fs.ts";
import type { User } from "../files/users.ts";
import type { MachineControls } from "../system/machine-controls.ts";

export type { ExecResult } from "just-bash";
export type CommandContext = ResolvedCommandContext;

export interface Session {
  machine: MachineControls;
  user: User;
  fs: SessionFs;
  /** Runs another command of this machine as a given user. */
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
