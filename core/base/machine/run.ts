import { execa, type Options, type Result } from "execa";
import { hasCode, UserError } from "../errors.ts";
import { throwUnlessStarted } from "../system-errors.ts";
import { cleanEnvironment } from "./environment.ts";

/** Options every child gets: text in and out, never a shell, killed with us. */
const base = { stdin: "ignore", reject: false, stripFinalNewline: false } as const;

export type RunResult = Result<typeof base>;

export interface RunOptions {
  input?: string | Buffer;
  env?: Record<string, string>;
  cwd?: string;
  timeoutSeconds?: number;
  signal?: AbortSignal;
}

/**
 * Runs a program to its end and hands back what it said; a non-zero exit is an answer, not an exception.
 * Arguments are visible to every process on the machine: secrets go by `input` or `env`.
 * @throws UserError when the program is not there
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
  };
  const result = await execa(command, args, settings);
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
