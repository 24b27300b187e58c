import { createHash } from "node:crypto";
import { chmodSync, lstatSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { execa } from "execa";
import { withCredentialsHidden } from "../../base/credentials.ts";
import { hasCode, UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { cleanEnvironment, ownEnvironment } from "../../base/machine/environment.ts";
import { findOnPath, isExecutable } from "../../base/machine/on-path.ts";
import { outputLog } from "../../base/machine/output-log.ts";
import { endGroup, groupsWith } from "../../base/machine/process-group.ts";
import type { InstallSettings } from "../../project/settings/stack-config/install.ts";
import { gitPastWrappers } from "../flake/git-ssh.ts";
import { nixTokenIn } from "../flake/nix-token.ts";
import { destinationOf, type SshRoute, writeSshWrappers } from "../reach/ssh.ts";
import { type Ending, explainFailure, type FailureKind, milestoneOf } from "./failure.ts";
import { installerArguments } from "./installer-arguments.ts";

/** The revision to run if nixos-anywhere is not installed. @see nix-community/nixos-anywhere, 2026-07-22 */
export const nixosAnywhereRev = "91fc9b70fc295258c366cce8627efb6f185fd9fb";

/** The command that starts nixos-anywhere, and where it was found. */
export interface Installer {
  command: string;
  args: string[];
  found: "CLAWDLETS_NIXOS_ANYWHERE" | "PATH" | "nix run";
  /** The nix for it to use, if the settings name one by path. */
  nix?: string;
}

/** Finds nixos-anywhere: the one in the settings, else on PATH, else the pinned revision through nix. */
export function findInstaller(named: string | undefined, nix: string): Installer {
  return { ...findProgram(named, nix), ...(nix.includes("/") && { nix }) };
}

function findProgram(named: string | undefined, nix: string): Installer {
  if (named !== undefined) {
    if (isExecutable(named)) return { command: named, args: [], found: "CLAWDLETS_NIXOS_ANYWHERE" };
    throw new UserError(
      `CLAWDLETS_NIXOS_ANYWHERE is "${named}", which is not an executable file. Fix it, or unset CLAWDLETS_NIXOS_ANYWHERE.`,
      {
        exitCode: exitCodes.settings,
      },
    );
  }
  const onPath = findOnPath("nixos-anywhere");
  if (onPath) return { command: onPath, args: [], found: "PATH" };
  const nixPath = findOnPath(nix);
  if (nixPath) {
    const flake = `github:nix-community/nixos-anywhere/${nixosAnywhereRev}`;
    const args = ["--extra-experimental-features", "nix-command flakes", "run", flake, "--"];
    return { command: nixPath, args, found: "nix run" };
  }
  throw new UserError(
    {
      subject: "",
      problem: "No installer: CLAWDLETS_NIXOS_ANYWHERE is not set, and neither nixos-anywhere nor nix is on PATH.",
      fix: "Install nix 2.16 or newer (https://nixos.org/download), or set CLAWDLETS_NIXOS_ANYWHERE to the path of nixos-anywhere.",
    },
    { exitCode: exitCodes.settings },
  );
}

export interface PhaseRun {
  /** Of nixos-anywhere: `kexec`, `disko,install`, `reboot`. */
  phases: string;
  /** Pinned flake with attribute. */
  flake: string;
  extraFiles?: string;
  install: InstallSettings;
  deadlineSeconds: number;
  /** What to do about a failure of unknown kind, a sentence. */
  advice: string;
}

export interface InstallerSetup {
  installer: Installer;
  route: SshRoute;
  logFile: string;
  /** Fetches a private flake; nix reads it from a file that is deleted after the run. */
  githubToken: string | undefined;
  /** Receives the process group of each run, so that a guard can end it. */
  onProcessGroup: (id: number) => void;
  /** Each `### … ###` line of the installer. */
  onLine: (text: string) => void;
  signal: AbortSignal;
  /** @default {@link installerLimits} */
  limits?: Partial<InstallerLimits>;
}

/**
 * Seconds from one milestone of nixos-anywhere to the next, for milestones after which it can wait forever or has little to do.
 * Building, copying and disko are limited only by the phase's deadline.
 */
export interface InstallerLimits {
  /** Retries ssh-copy-id forever (nix-community/nixos-anywhere#186). */
  "Uploading install SSH keys": number;
  /** Followed by two evaluations of the flake without a milestone and, if disko follows, by the whole build. */
  "Gathering machine facts": number;
  /** From downloading the installer to its first answer (nix-community/nixos-anywhere#337). */
  "Switching system into kexec": number;
  Rebooting: number;
  "Waiting for the machine to become unreachable due to reboot": number;
  /** From SIGTERM to SIGKILL. */
  grace: number;
}

export const installerLimits: Readonly<InstallerLimits> = {
  "Uploading install SSH keys": 120,
  "Gathering machine facts": 600,
  "Switching system into kexec": 600,
  Rebooting: 120,
  "Waiting for the machine to become unreachable due to reboot": 180,
  grace: 10,
};

/** A failed run of nixos-anywhere, with a message for each kind of failure. */
export class InstallerError extends UserError {
  override readonly name = "InstallerError";
  readonly kind: FailureKind;
  /** Of nixos-anywhere: `kexec`, `disko,install`, `reboot`. */
  readonly phase: string;

  /** @param more advice for a failure of unknown kind */
  constructor(ending: Ending, more: string, details: readonly string[]) {
    const { kind, message, advice } = explainFailure(ending);
    super(`${message} ${kind === "other" ? more : advice}`, { exitCode: exitCodes.install, details });
    this.kind = kind;
    this.phase = ending.phase;
  }
}

/**
 * Runs nixos-anywhere for some of its phases, in a process group, with a deadline, because it can wait forever
 * (nix-community/nixos-anywhere#186, #337). Its output goes only to the log file, since it may quote its input.
 * Exit code 0 only proves that ssh stopped answering; the caller has to check the result.
 * @throws InstallerError, or the signal's reason; no process of it is left running
 */
export async function runPhases(setup: InstallerSetup, phase: PhaseRun): Promise<void> {
  setup.signal.throwIfAborted();
  const parent = sweepRunFolder(setup.route.alias, dirname(setup.logFile));
  mkdirSync(parent, { mode: 0o700 });
  const folder = mkdtempSync(join(parent, "run-"));
  try {
    writeSshWrappers(folder, setup.route);
    // nixos-anywhere uses the first nix on PATH, and this folder comes first.
    if (setup.installer.nix !== undefined) symlinkSync(setup.installer.nix, join(folder, "nix"));
    await runOnce(setup, phase, folder);
  } finally {
    rmSync(parent, { recursive: true, force: true });
  }
}

/**
 * Ends the installer of a run that was killed together with its guard. Finds it by the path of the one-time key in its arguments,
 * which only this host in this project uses. The caller holds the host's lock.
 */
export async function endLeftInstallers(identity: string): Promise<void> {
  const left = await groupsWith(["--phases", "-i", identity]);
  await Promise.all(left.map((group) => endGroup(group, installerLimits.grace)));
}

/**
 * Removes what a killed run left: its folder is also the TMPDIR of nixos-anywhere, which copies the one-time key there.
 * The caller holds the host's lock. A host of a project always has the same folder, so that the next run finds it. It is not
 * below the project, because its path must not have spaces: nixos-anywhere joins ssh options with spaces.
 * @param logs the host's log folder, which distinguishes projects
 * @returns the folder, which does not exist now
 * @throws UserError if it or its parent is not ours: another user could have put an `ssh` there (PATH hijacking)
 */
export function sweepRunFolder(host: string, logs: string): string {
  const folder = runFolderOf(host, logs);
  const ours = dirname(folder);
  try {
    mkdirSync(ours, { mode: 0o700 });
  } catch (error) {
    if (!hasCode(error, "EEXIST")) throw error;
  }
  checkOurs(ours);
  chmodSync(ours, 0o700);
  if (lstatSync(folder, { throwIfNoEntry: false })) checkOurs(folder);
  rmSync(folder, { recursive: true, force: true });
  return folder;
}

/** The folder of {@link sweepRunFolder}. */
export function runFolderOf(host: string, logs: string): string {
  const base = /\s/.test(tmpdir()) ? "/tmp" : tmpdir();
  // Short: ssh and nix create sockets below it, whose paths are limited to 104 characters.
  const hash = createHash("sha256").update(logs).digest("hex").slice(0, 12);
  return join(base, `clawdlets-${process.getuid?.() ?? "user"}`, `${host.slice(0, 20)}-${hash}`);
}

function checkOurs(folder: string): void {
  const stat = lstatSync(folder);
  const uid = process.getuid?.() ?? stat.uid;
  if (stat.isDirectory() && stat.uid === uid) return;
  const what = stat.isDirectory() ? `belongs to user ${stat.uid}, not to you (${uid})` : "is a link or a file";
  throw new UserError(
    `${folder} ${what}, so clawdlets did not create it. Find out who did and remove it, or set TMPDIR to a folder of your own.`,
    { exitCode: exitCodes.settings },
  );
}

const drainMs = 500;

async function runOnce(setup: InstallerSetup, phase: PhaseRun, folder: string): Promise<void> {
  const { installer, route, logFile, signal } = setup;
  const limits = { ...installerLimits, ...setup.limits };
  const args = installerArguments({ ...phase, destination: destinationOf(route), identity: route.identity });
  const child = execa(installer.command, [...installer.args, ...args], {
    env: cleanEnvironment({
      PATH: `${folder}${delimiter}${ownEnvironment()["PATH"] ?? ""}`,
      TMPDIR: folder,
      ...(await gitPastWrappers()),
      ...nixTokenIn(folder, setup.githubToken),
    }),
    extendEnv: false,
    detached: true, // A process group of its own, so that ending it ends everything it started.
    reject: false,
    buffer: false,
    all: true,
    stdin: "ignore",
  });
  const { pid } = child;
  if (pid === undefined) {
    await child;
    throw new UserError(`${installer.command} could not be started. Fix it, or unset CLAWDLETS_NIXOS_ANYWHERE.`, {
      exitCode: exitCodes.settings,
    });
  }
  const output = new Tail();
  const log = outputLog(logFile, (reason) => setup.onLine(`the installer's output is no longer logged: ${reason}`));
  let late: Ending["late"];
  let milestoneTimer: NodeJS.Timeout | undefined;
  let ended: Promise<void> | undefined;
  const lines = createInterface({ input: child.all });
  const stop = () => {
    ended ??= endGroup(pid, limits.grace).then(() => {
      // A process that left the group may hold the pipes open: drain them for a moment, then close them.
      setTimeout(() => {
        lines.close();
        child.stdout.destroy();
        child.stderr.destroy();
      }, drainMs).unref();
    });
  };
  const stopLate = (which: NonNullable<Ending["late"]>) => {
    late ??= which;
    stop();
  };
  const deadline = setTimeout(() => stopLate({ seconds: phase.deadlineSeconds }), phase.deadlineSeconds * 1000);
  signal.addEventListener("abort", stop, { once: true });
  child.once("exit", stop);
  try {
    setup.onProcessGroup(pid);
    for await (const said of lines) {
      // E.g. a git remote that the operator's git configuration rewrites to a URL with a token.
      const line = withCredentialsHidden(said);
      log(line);
      output.add(line);
      const milestone = milestoneOf(line);
      if (milestone === undefined) continue;
      clearTimeout(milestoneTimer);
      const seconds = limitOf(limits, milestone, phase);
      if (seconds !== undefined) milestoneTimer = setTimeout(() => stopLate({ milestone, seconds }), seconds * 1000);
      setup.onLine(milestone);
    }
    const result = await child;
    signal.throwIfAborted();
    if (result.exitCode === 0 && !late) return;
    const context = { host: route.alias, address: route.address };
    const { exitCode, signal: endedBy } = result;
    throw new InstallerError(
      { phase: phase.phases, exitCode, signal: endedBy, late, output: output.lines, context },
      phase.advice,
      [`Its output: clawdlets logs --host ${route.alias}, or ${logFile}`],
    );
  } finally {
    clearTimeout(deadline);
    clearTimeout(milestoneTimer);
    signal.removeEventListener("abort", stop);
    stop(); // In every case, end its whole process group.
    await ended;
  }
}

function limitOf(limits: InstallerLimits, milestone: string, { phases }: PhaseRun): number | undefined {
  // The build and the copy follow without a milestone.
  if (milestone === "Gathering machine facts" && phases.includes("disko")) return undefined;
  return Object.entries(limits).find(([name]) => name === milestone && name !== "grace")?.[1];
}

/** Keeps the last lines of an output, enough to find the cause of a failure. */
class Tail {
  readonly lines: string[] = [];
  #characters = 0;

  add(line: string): void {
    const kept = line.slice(0, 4096);
    this.lines.push(kept);
    this.#characters += kept.length;
    while (this.lines.length > 200 || this.#characters > 65_536) this.#characters -= this.lines.shift()?.length ?? 0;
  }
}
