/**
 * vitest's globalSetup: nothing of a test run outlives it. Each run has a temporary folder of its own, whose name holds the run's
 * process id. After the last test, processes that work in that folder, mounts below it, control groups of the run and network
 * namespaces of ended workers are cleared away and fail the run; files left in the folder are cleared away and listed. What a killed
 * run left is cleared away by the next.
 */
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { execaSync } from "execa";
import { cgroupRoot } from "./_needs.ts";
import { killProcessesOf } from "./_processes.ts";
import { repository } from "./_repository.ts";

const prefix = "clt-";
let folder: string;

export function setup(): void {
  for (const dead of deadRuns()) clear(dead);
  folder = mkdtempSync(join(tmpdir(), `${prefix}${process.pid}-`));
  chmodSync(folder, 0o711); // Programs that run as other users find their files below it, and list nothing.
  process.env["TMPDIR"] = folder;
}

/** @throws Error naming what a test left running or mounted; it is gone by then */
export function teardown(): void {
  const guards = endOrphanedGuards();
  const left = clear(folder, guards);
  if (left.length === 0) return;
  if (left.every((line) => line.startsWith("file: "))) {
    // Programs that a test kills leave theirs, such as a browser's profile: told, and no failure.
    process.stderr.write(`Tests left files behind (now cleared away):\n  ${left.join("\n  ")}\n`);
    return;
  }
  process.exitCode = 1; // vitest prints the error of a teardown and exits with 0 all the same.
  throw new Error(`Tests left this behind (now cleared away):\n  ${left.join("\n  ")}`);
}

/** Folders of runs that were killed. */
function deadRuns(): string[] {
  const isDead = (name: string) => !existsSync(`/proc/${name.split("-")[1]}`);
  const names = readdirSync(tmpdir()).filter((name) => name.startsWith(prefix));
  return process.platform === "linux" ? names.filter(isDead).map((name) => join(tmpdir(), name)) : [];
}

/**
 * Clears away all that belongs to a run.
 * @param ended processes that were killed just now, and may not be gone yet
 * @returns a line for each thing found
 */
function clear(run: string, ended: readonly string[] = []): string[] {
  const found =
    process.platform === "linux"
      ? [...killProcessesOf(run, ended), ...mounts(run), ...controlGroups(run), ...namespaces()]
      : [];
  // ssh's control sockets are kept in a folder that belongs to the user, not to one run (core/host/install/installer.ts).
  const kept = `clawdlets-${process.getuid?.()}`;
  const files = readdirSync(run).flatMap((name) => (name === kept ? [] : [`file: ${name}`]));
  rmSync(run, { recursive: true, force: true });
  return [...found, ...files];
}

function mounts(run: string): string[] {
  const points = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .filter((point) => point.startsWith(`${run}/`))
    .sort((a, b) => b.length - a.length); // The innermost first.
  for (const point of points) execaSync("umount", ["--lazy", point], { reject: false });
  return points.map((point) => `mount: ${point}`);
}

/** Control groups named after the run's folder (test/nix/systemd/_systemd-machine.ts). */
function controlGroups(run: string): string[] {
  const root = cgroupRoot();
  if (root === undefined) return [];
  const groups = readdirSync(root).filter((name) => name.startsWith(basename(run)));
  for (const group of groups) {
    try {
      rmdirSync(join(root, group));
    } catch {
      // A process is still in it, which the list of processes names.
    }
  }
  return groups.map((group) => `control group: ${group}`);
}

/** Network namespaces of workers that have ended (test/nix/egress/lab/_netns.ts). */
function namespaces(): string[] {
  const folder = "/run/netns";
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const left = names.filter((name) => /^cle-\d+-/.test(name) && !existsSync(`/proc/${name.split("-")[1]}`));
  for (const name of left) execaSync("ip", ["netns", "delete", name], { reject: false });
  return left.map((name) => `network namespace: ${name}`);
}

/**
 * A guard never gives up, so one whose Hetzner was an emulator that is gone, together with its project, would stay for ever. Those
 * are ended, and no others: a guard of this checkout at real work has its log where it was.
 * @returns their process ids
 */
function endOrphanedGuards(): string[] {
  if (process.platform !== "linux") return [];
  const ended: string[] = [];
  const program = join(repository, "bin", "guard.mjs");
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
      const isOrphan = words.includes(program) && readlinkSync(`/proc/${pid}/fd/2`).endsWith(" (deleted)");
      if (!isOrphan) continue;
      process.kill(Number(pid), "SIGKILL");
      ended.push(pid);
    } catch {
      // It ended meanwhile, or belongs to another user.
    }
  }
  return ended;
}
