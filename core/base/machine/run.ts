import { execa, type Options, type Result } from "execa";
import { hasCode, UserError } from "../errors.ts";
import { throwUnlessStarted } from "../system-errors.ts";
import { cleanEnvironment } from "./environment.ts";

/** Options of every child process: text in and out, no shell, killed with us. */
const base = { stdin: "ignore", reject: false, stripFinalNewline: false } as const;

export type RunResult = Result<typeof base>;

export interface RunOptions {
  input?: string | Buffer;
  env?: Record<string, string>;
  cwd?: string;
  timeoutSeconds?: number;
  signal?: AbortSignal;
  /** For `runInGroup`: starts it as the leader of a process group, and tells its id, or undefined if it did not start. */
  leads?: (group: number | undefined) => void;
}

/**
 * Runs a program to completion and returns its output. A non-zero exit code is a result, not an exception.
 * Arguments are visible to every process on the machine: pass secrets through `input` or `env`.
 * @throws UserError if the program is not installed
 */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const settings: Options = {
    ...base,
    env: options.env ?? cleanEnvironment(),
    extendEnv: false,
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    ...(options.input !== undefined && { input: options.input, stdin: "pipe" as const }),
    ...(options.timeoutSeconds !== undefined && { timeout: options.timeoutSeconds * 1000 }),
    ...(options.signal && { cancelSignal: options.signal }),
    ...(options.leads && { detached: true }),
  };
  const child = execa(command, args, settings);
  options.leads?.(child.pid);
  const result = await child;
  if (result.failed && hasCode(result, "ENOENT")) {
    throw new UserError(`"${command}" is not installed or not on PATH. ${installHint(command)}`);
  }
  throwUnlessStarted(result.cause);
  return result as RunResult;
}

function installHint(command: string): string {
  const name = command.split("/").at(-1) ?? command;
  const packages: Record<string, string> = {
    ssh: "openssh-client",
    "ssh-keygen": "openssh-client",
    git: "git",
    tar: "tar",
  };
  const found = packages[name];
  return found ? `On Debian: apt-get install ${found}` : "Install it, then run the same command again.";
}
