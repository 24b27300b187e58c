import { UserError } from "./errors.ts";
import { exitCodes } from "./exit-codes.ts";

/** Errors of the operating system by `errno` code, with the next step. None of these is a bug of ours. */
const refusals: Readonly<Record<string, readonly [why: string, fix: string]>> = {
  ENOSPC: ["no space left on the disk", "Free some space or inodes (df -h, df -i)"],
  EDQUOT: ["your disk quota is used up", "Free some space, or have the quota raised"],
  EFBIG: ["the file would be larger than allowed", "Raise the limit (ulimit -f)"],
  EROFS: ["the file system is read-only", "Mount it read-write, or move the project to a writable disk"],
  EACCES: ["permission denied", "Run as the user it belongs to, or give yourself access (ls -ld shows owner and mode)"],
  EPERM: ["the operation is not permitted", "Check its owner and attributes (ls -ld, lsattr)"],
  EMFILE: ["this process has too many open files", "Raise the limit (ulimit -n 1024)"],
  ENFILE: ["this machine has too many open files", "Close some programs, or raise fs.file-max"],
  EEXIST: ["something is already there", "Move it away"],
  ENOTDIR: ["there is a file where a folder is needed", "Move that file away"],
  EISDIR: ["there is a folder where a file is needed", "Move that folder away"],
  ELOOP: ["too many symbolic links", "Replace the link with the file itself"],
  ENAMETOOLONG: ["the path is too long", "Move the project to a shorter path"],
  EIO: ["the disk reported an input/output error", "Check the disk (dmesg)"],
  ESTALE: ["the network mount is gone", "Mount it again"],
  EBUSY: ["it is in use", "Close the program that uses it"],
  EXDEV: ["both ends have to be on one file system", "Keep .clawdlets on one mount"],
  ETXTBSY: ["the program's file is still being written", "Wait until it is complete"],
  EAGAIN: ["too many processes are running", "End some programs, or raise the limit (ulimit -u)"],
  ENOMEM: ["out of memory", "End some programs, or add memory or swap"],
  ENOEXEC: ["the program is not built for this machine", "Install the one for this machine's architecture"],
};

/** What failed, by system call. */
const attempts: Readonly<Record<string, string>> = {
  open: "open",
  read: "read",
  scandir: "list",
  opendir: "list",
  stat: "inspect",
  lstat: "inspect",
  access: "access",
  realpath: "resolve",
  readlink: "resolve",
  write: "write",
  fsync: "write",
  ftruncate: "write",
  mkdir: "create the folder",
  mkdtemp: "create a temporary folder",
  rename: "replace",
  copyfile: "copy",
  link: "link",
  symlink: "link",
  unlink: "delete",
  rm: "delete",
  rmdir: "delete",
  chmod: "change the mode of",
  fchmod: "change the mode of",
  chown: "change the owner of",
  fchown: "change the owner of",
  utime: "change the times of",
  futime: "change the times of",
};

interface SystemError extends Error {
  code: string;
  syscall: string;
  path?: string;
  dest?: string;
}

function isSystemError(error: unknown): error is SystemError {
  return error instanceof Error && "code" in error && "syscall" in error && typeof error.syscall === "string";
}

/** Adds the intended path to a system error: calls on an open file name none ("ENOSPC: …, write"), and atomic writes name the temporary file. */
export function atPath(error: unknown, path: string): unknown {
  return isSystemError(error) ? Object.assign(error, { path, dest: undefined }) : error;
}

/** Throws if a child process could not be started, e.g. because of too many open files (EMFILE): then there is no result to check. */
export function throwUnlessStarted(error: unknown): void {
  if (isSystemError(error) && error.syscall.startsWith("spawn") && error.code !== "ENOENT") throw error;
}

/**
 * Converts errors that are not bugs: a UserError is returned unchanged, and an error of the operating system (full or read-only
 * disk, denied access, too many open files) becomes one that names the path, what failed, and what to do.
 * @returns undefined for everything else, which is a bug
 */
export function asUserError(error: unknown): UserError | undefined {
  if (error instanceof UserError) return error;
  if (isSystemError(error)) {
    const text = sentenceOf(error);
    if (text !== undefined) return new UserError(text, { exitCode: exitCodes.failed, cause: error });
  }
  return error instanceof Error && error.cause !== undefined ? asUserError(error.cause) : undefined;
}

function sentenceOf({ code, syscall, path, dest }: SystemError): string | undefined {
  if (syscall === "uv_cwd") return "The current folder no longer exists. Go to your clone of the project.";
  if (syscall === "mkdtemp" && code === "ENOENT") {
    return `Cannot create a temporary folder ${path ?? ""}: its parent folder does not exist (ENOENT). Set TMPDIR to a folder that exists.`;
  }
  const refusal = refusals[code];
  // Callers word the errors of sockets themselves.
  if (refusal === undefined || /^(connect|bind|listen|getaddrinfo|accept)$/.test(syscall)) return undefined;
  // Node accepts a folder that exists already, so this is a file, or a link that leads nowhere.
  const [why, fix] = (syscall === "mkdir" && code === "EEXIST" && refusals["ENOTDIR"]) || refusal;
  const [, program] = /^spawn ?(.*)$/.exec(syscall) ?? [];
  const attempt =
    program === undefined
      ? `${attempts[syscall] ?? syscall} ${dest ?? path ?? `a file (working in ${process.cwd()})`}`
      : `start ${program || path || "a program"}`;
  return `Cannot ${attempt}: ${why} (${code}). ${fix}, then run the same command again.`;
}
