import { existsSync, lstatSync, mkdirSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { messageOf, UserError } from "../../core/base/errors.ts";
import { exitCodes } from "../../core/base/exit-codes.ts";
import { ownEnvironment } from "../../core/base/machine/environment.ts";
import { run } from "../../core/base/machine/run.ts";
import { shellQuoted } from "../../core/base/wording.ts";

/** What a previewed program may see of this machine; everything else is not there. */
export interface Cell {
  /** An empty folder, over which the program's root is put together. */
  root: string;
  /** Absolute paths that it may read. Those that are not there are left out. */
  readable: readonly string[];
  /** Absolute folders that it may write to. */
  writable: readonly string[];
  /** Further places for what is readable: `[what, where]`. */
  moved: readonly (readonly [string, string])[];
}

/** Puts a command into a cell of its own; the first word is the program. */
export type Sandbox = (command: readonly string[]) => string[];

/** Programs and libraries, and what of /etc they need to run. */
const system = [
  ...["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store", "/opt/hostedtoolcache"],
  ...[
    "passwd",
    "group",
    "hosts",
    "nsswitch.conf",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "alternatives",
    "ssl",
  ].map((name) => `/etc/${name}`),
  ...["null", "zero", "full", "random", "urandom"].map((name) => `/dev/${name}`),
];

/**
 * Its own user, mount and process namespaces: no process, no environment and no file of this machine but those of the cell. The
 * second `unshare` gives up the right to mount: without it the program could make a read-only mount writable again.
 */
export function sandboxOf(cell: Cell): Sandbox {
  mkdirSync(cell.root, { recursive: true });
  const setUp = scriptOf(cell);
  return (command) => [
    ...["unshare", "--user", "--map-root-user", "--mount", "--pid", "--ipc", "--fork", "--kill-child"],
    ...["--", "/bin/sh", "-euc", setUp, "sh", ...command],
  ];
}

function scriptOf({ root, readable, writable, moved }: Cell): string {
  const entries = [
    ...[...system, ...readable].map((path) => ({ from: path, to: path, write: false })),
    ...writable.map((path) => ({ from: path, to: path, write: true })),
  ];
  return [
    `root=${shellQuoted(root)}`,
    "directory=$(pwd)",
    // pivot_root is root's, and not on the PATH that the engine gets.
    "path=$PATH",
    "PATH=$PATH:/usr/sbin:/sbin",
    "mount --make-rprivate /",
    'mount -t tmpfs -o mode=755 tmpfs "$root"',
    'mkdir "$root/proc" "$root/tmp" "$root/old"',
    ...mounting(entries),
    // Into what is mounted by then.
    ...moved.flatMap(([from, to]) => mounting([{ from, to, write: false }])),
    'mount -t proc proc "$root/proc"',
    'cd "$root"',
    "pivot_root . old",
    "umount -l /old",
    "rmdir /old",
    'cd "$directory"',
    "PATH=$path",
    'exec unshare --user --map-current-user -- "$@"',
  ].join("\n");
}

interface Entry {
  from: string;
  to: string;
  write: boolean;
}

/** All folders in one command: a process for each would take longer than most previews do for everything else. */
function mounting(entries: readonly Entry[]): string[] {
  const there = entries.flatMap((entry) => {
    const stat = lstatSync(entry.from, { throwIfNoEntry: false });
    // /bin is a link to usr/bin on most systems.
    return stat
      ? [{ ...entry, isFolder: stat.isDirectory(), isLink: stat.isSymbolicLink() && system.includes(entry.from) }]
      : [];
  });
  const at = (path: string) => `$root${shellQuoted(path)}`;
  const folders = there.map(({ to, isFolder }) => at(isFolder ? to : dirname(to)));
  if (folders.length === 0) return [];
  return [
    `mkdir -p ${[...new Set(folders)].join(" ")}`,
    ...there.flatMap(({ from, to, write, isFolder, isLink }) => {
      if (isLink) return [`cp -P ${shellQuoted(from)} ${at(to)}`];
      const isDevice = from.startsWith("/dev/");
      return [
        ...(isFolder ? [] : [`[ -e ${at(to)} ] || : > ${at(to)}`]),
        `mount --rbind ${shellQuoted(from)} ${at(to)}`,
        ...(write || isDevice ? [] : [`mount -o remount,bind,ro ${at(to)}`]),
      ];
    }),
  ];
}

/** @returns why programs cannot be put into a cell here; undefined where they can */
export async function whyNoSandbox(sandbox: Sandbox): Promise<string | undefined> {
  if (process.platform !== "linux") return `${process.platform} has no namespaces`;
  const [command = "", ...args] = sandbox(["/bin/sh", "-c", "test -e /proc/self/exe"]);
  try {
    const { exitCode, stderr } = await run(command, args, { cwd: "/", timeoutSeconds: 30 });
    return exitCode === 0 ? undefined : String(stderr).trim().split("\n").at(-1) || "unshare failed";
  } catch (error) {
    return messageOf(error);
  }
}

/** Names of variables that hold a credential, by how such variables are called. */
const credential = /TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|PRIVATE|API_?KEY|ACCESS_?KEY|_AUTH$|AGE_KEY|AUTH_SOCK/i;

/**
 * What a program that runs as this user without a cell could take: variables of this process and of those that started it, and
 * the project's own keys.
 */
export function secretsInReach(clawdlets: string): string[] {
  const names = new Set(Object.entries(ownEnvironment()).flatMap(([name, value]) => (value ? name : [])));
  for (let pid = process.ppid; pid > 1; ) {
    const [environment, parent] = processFacts(pid);
    for (const line of environment.split("\0")) if (/=./s.test(line)) names.add(line.slice(0, line.indexOf("=")));
    pid = parent;
  }
  const found = [...names].filter((name) => credential.test(name)).sort();
  return existsSync(clawdlets) ? [...found, realpathSync(clawdlets)] : found;
}

/** Its environment, where it may be read, and its parent. */
function processFacts(pid: number): [string, number] {
  const read = (name: string) => {
    try {
      return readFileSync(join("/proc", String(pid), name), "utf8");
    } catch {
      return ""; // Another user's, or gone: then it is not in the program's reach either.
    }
  };
  const parent = Number(/^PPid:\s*(\d+)$/m.exec(read("status"))?.[1] ?? 0);
  return [read("environ"), parent];
}

/** @throws UserError where a program without a cell could read something that it must not */
export function refuseInReach(why: string, clawdlets: string): void {
  const found = secretsInReach(clawdlets);
  if (found.length === 0) return;
  throw new UserError(
    `preview --ci runs the checkout's program, which cannot be sandboxed here (${why}) and could read ${found.join(", ")}. Allow user namespaces (docs/ci.md), or run this on a machine without them.`,
    { exitCode: exitCodes.usage },
  );
}
