import { UserError } from "./errors.ts";
import { exitCodes } from "./exit-codes.ts";

/** What the operating system refused, by `errno`, with the next step. None of these is a bug of ours. */
const refusals: Readonly<Record<string, readonly [why: string, fix: string]>> = {
  ENOSPC: ["no space is left there", "Free some space or inodes (df -h, df -i)"],
  EDQUOT: ["your disk quota is used up", "Free some space, or have the quota raised"],
  EFBIG: ["the file would be larger than allowed", "Raise the limit (ulimit -f)"],
  EROFS: ["the file system is read-only", "Mount it writable, or work in a copy of the project that is"],
  EACCES: ["permission denied", "Run as the user it belongs to, or give yourself access (ls -ld shows owner and mode)"],
  EPERM: ["the operation is not permitted", "Check its owner and attributes (ls -ld, lsattr)"],
  EMFILE: ["this process has too many open files", "Raise the limit (ulimit -n 1024)"],
  ENFILE: ["this machine has too many open files", "Close some programs, or raise fs.file-max"],
  EEXIST: ["something else stands there", "Move it away"],
  ENOTDIR: ["a file stands where a folder has to be", "Move that file away"],
  EISDIR: ["a folder stands where a file has to be", "Move that folder away"],
  ELOOP: ["too many symbolic links", "Replace the link with the file itself"],
  ENAMETOOLONG: ["the path is too long", "Move the project to a shorter path"],
  EIO: ["the disk reported an input/output error", "Check the disk (dmesg) before you go on"],
  ESTALE: ["the network mount went away", "Mount it again"],
  EBUSY: ["it is in use", "Close the program that uses it"],
  EXDEV: ["both ends have to be on one file system", "Keep .clawdlets on one mount"],
  ETXTBSY: ["the program is being written", "Wait for it to be complete"],
  EAGAIN: ["too many processes", "End some programs, or raise the limit (ulimit -u)"],
  ENOMEM: ["no memory is left", "End some programs, or add memory or swap"],
  ENOEXEC: ["it is not a program for this machine", "Install the one for this machine's architecture"],
};

/** What was tried, by system call. */
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

/** Names the file that was meant: a call on an open file names none ("ENOSPC: …, write"), and an atomic one its temporary file. */
export function atPath(error: unknown, path: string): unknown {
  return isSystemError(error) ? Object.assign(error, { path, dest: undefined }) : error;
}

/** Throws the error of a child that could not be started, e.g. because of too many open files (EMFILE): there is no result to check. */
export function throwUnlessStarted(error: unknown): void {
  if (isSystemError(error) && error.syscall.startsWith("spawn") && error.code !== "ENOENT") throw error;
}

/**
 * What may be shown to a person without a stack: an error made for them, or one that is the machine's and not ours (full or
 * read-only disk, denied access, too many open files), as a sentence that names the path, what failed, and what to do.
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
  if (syscall === "uv_cwd") return "The current folder no longer exists. Change to your clone of the project.";
  if (syscall === "mkdtemp" && code === "ENOENT") {
    return `Cannot create a temporary folder ${path ?? ""}: there is no such place (ENOENT). Set TMPDIR to a folder that exists.`;
  }
  const refusal = refusals[code];
  // Sockets have their own words where they are used.
  if (refusal === undefined || /^(connect|bind|listen|getaddrinfo|accept)$/.test(syscall)) return undefined;
  const [why, fix] = refusal;
  const [, program] = /^spawn ?(.*)$/.exec(syscall) ?? [];
  const attempt =
    program === undefined
      ? `${attempts[syscall] ?? syscall} ${dest ?? path ?? `a file (working in ${process.cwd()})`}`
      : `start ${program || path || "a program"}`;
  return `Cannot ${attempt}: ${why} (${code}). ${fix}, then run the same command again.`;
}
