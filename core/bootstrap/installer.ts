import { accessSync, appendFileSync, constants, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { execa } from "execa";
import { hasCode, UserError } from "../errors.ts";
import { exitCodes } from "../exit-codes.ts";
import { cleanEnvironment } from "../local/run.ts";
import { type SshRoute, writeSshWrappers } from "./ssh.ts";

/** The revision that is run where none is installed. @see nix-community/nixos-anywhere, 2026-07-22 */
export const nixosAnywhereRev = "91fc9b70fc295258c366cce8627efb6f185fd9fb";

/** The command that starts nixos-anywhere, and where it was found. */
export interface Installer {
  command: string;
  args: string[];
  found: "CLAWDLETS_NIXOS_ANYWHERE" | "PATH" | "nix run";
}

/** Finds nixos-anywhere: the one that was named, then PATH, then the pinned revision by nix. */
export function findInstaller(named: string | undefined, nix: string): Installer {
  if (named !== undefined) {
    if (isExecutable(named)) return { command: named, args: [], found: "CLAWDLETS_NIXOS_ANYWHERE" };
    throw new UserError(`CLAWDLETS_NIXOS_ANYWHERE is "${named}", which is no executable file. Mend or remove it.`, {
      exitCode: exitCodes.settings,
    });
  }
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const onPath = folders.map((folder) => join(folder, "nixos-anywhere")).find(isExecutable);
  if (onPath) return { command: onPath, args: [], found: "PATH" };
  const nixPath = nix.includes("/") ? nix : folders.map((folder) => join(folder, nix)).find(isExecutable);
  if (nixPath && isExecutable(nixPath)) {
    const flake = `github:nix-community/nixos-anywhere/${nixosAnywhereRev}`;
    const args = ["--extra-experimental-features", "nix-command flakes", "run", flake, "--"];
    return { command: nixPath, args, found: "nix run" };
  }
  throw new UserError(
    "No installer: CLAWDLETS_NIXOS_ANYWHERE is not set, and neither nixos-anywhere nor nix is on PATH. Install nix 2.16 or newer (https://nixos.org/download), or name a nixos-anywhere in CLAWDLETS_NIXOS_ANYWHERE.",
    { exitCode: exitCodes.settings },
  );
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR", "EACCES")) return false;
    throw error;
  }
}

export interface PhaseRun {
  /** Of nixos-anywhere: `kexec`, `disko,install`, `reboot`. */
  phases: string;
  flake: string;
  extraFiles: string;
  deadlineSeconds: number;
  /** What to do when it fails or the time is up, a sentence. */
  advice: string;
}

export interface InstallerSetup {
  installer: Installer;
  route: SshRoute;
  logFile: string;
  /** Fetches a private flake; goes by environment only. */
  githubToken: string | undefined;
  /** Told of the process group of each run, for whoever has to end it. */
  onProcessGroup: (id: number) => void;
  /** Each `### … ###` line of the installer. */
  onLine: (text: string) => void;
  signal: AbortSignal;
}

/**
 * Runs nixos-anywhere for some of its phases, one process group each, under a deadline: it has endless waits of its own
 * (nix-community/nixos-anywhere#186, #337). Its output goes to the log file alone: it may quote what it was given.
 * Exit 0 proves nothing beyond ssh having stopped answering; the caller looks for itself.
 */
export async function runPhases(setup: InstallerSetup, phase: PhaseRun): Promise<void> {
  // The path must be free of spaces, since nixos-anywhere joins ssh options by spaces: hence not below the project.
  const folder = mkdtempSync(join(tmpdir(), "clawdlets-"));
  try {
    writeSshWrappers(folder, setup.route);
    await runOnce(setup, phase, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function runOnce(setup: InstallerSetup, phase: PhaseRun, folder: string): Promise<void> {
  const { installer, route, logFile, signal } = setup;
  const args = [
    "--flake",
    phase.flake,
    "--target-host",
    `root@${route.address}`,
    "-i",
    route.identity,
    "--phases",
    phase.phases,
  ];
  if (phase.phases.includes("install")) args.push("--extra-files", phase.extraFiles);
  const child = execa(installer.command, [...installer.args, ...args], {
    env: cleanEnvironment({
      PATH: `${folder}${delimiter}${process.env["PATH"] ?? ""}`,
      TMPDIR: folder,
      ...(setup.githubToken !== undefined && { NIX_CONFIG: `access-tokens = github.com=${setup.githubToken}` }),
    }),
    extendEnv: false,
    detached: true, // A process group of its own, so that ending it ends everything it started.
    reject: false,
    buffer: false,
    all: true,
    stdin: "ignore",
  });
  const pid = child.pid;
  const end = (name: NodeJS.Signals) => pid !== undefined && endGroup(pid, name);
  const stop = () => end("SIGTERM");
  const kill = setTimeout(() => end("SIGKILL"), (phase.deadlineSeconds + 10) * 1000);
  const deadline = setTimeout(stop, phase.deadlineSeconds * 1000);
  signal.addEventListener("abort", stop, { once: true });
  try {
    if (pid !== undefined) setup.onProcessGroup(pid);
    const startedAt = Date.now();
    for await (const line of createInterface({ input: child.all })) {
      appendFileSync(logFile, `${line}\n`, { mode: 0o600 });
      const step = /^### (.+) ###$/.exec(line)?.[1];
      if (step) setup.onLine(step);
    }
    const result = await child;
    signal.throwIfAborted();
    if (result.exitCode === 0) return;
    const late = Date.now() - startedAt >= phase.deadlineSeconds * 1000;
    const how = late
      ? `did not end within ${phase.deadlineSeconds} s`
      : `ended with ${result.exitCode ?? result.signal}`;
    throw new UserError(`nixos-anywhere, phase "${phase.phases}", ${how}. ${phase.advice} Its output: ${logFile}`, {
      exitCode: exitCodes.install,
    });
  } finally {
    clearTimeout(deadline);
    clearTimeout(kill);
    signal.removeEventListener("abort", stop);
    end("SIGTERM");
  }
}

function endGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal);
  } catch (error) {
    if (!hasCode(error, "ESRCH")) throw error;
  }
}
