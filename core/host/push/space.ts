import { UserError } from "../../base/errors.ts";
import { askHost } from "../reach/ask.ts";
import type { SshResult } from "../reach/ssh.ts";

/** A host's free memory, swap included, and disk space, in bytes; undefined for what it does not say. */
export interface Space {
  memory: number | undefined;
  disk: number | undefined;
}

const mebibyte = 1024 ** 2;

/** An evaluation of NixOS needs about 1 GiB; a build writes a system beside the one that runs. */
const buildNeeds = { memory: 1024 * mebibyte, disk: 2048 * mebibyte };

const elsewhere = 'or build elsewhere: clawdlets:rebuild.buildOn: "local"';

const inMebibytes = (bytes: number) => `${Math.ceil(bytes / mebibyte)} MiB`;

/**
 * Refuses a build on a host that has too little memory or disk space, before anything is changed there.
 * @param report gets a line for each of the two that the host does not tell: the build goes on unchecked
 */
export async function checkBuildSpace(
  host: string,
  run: (command: string) => Promise<SshResult>,
  report: (text: string) => void,
): Promise<void> {
  const answers = await askHost(run, {
    memory: "cat /proc/meminfo",
    disk: "df --block-size=1 --output=avail /nix/store 2>/dev/null",
  });
  if (answers === undefined) return; // No login: the next step says why.
  const space = spaceOf(answers);
  const problem = spaceProblem(space);
  if (problem) throw new UserError({ subject: host, ...problem });
  for (const line of unchecked(space)) report(line);
}

/** @param answers of /proc/meminfo and df */
export function spaceOf(answers: { memory: string; disk: string }): Space {
  const bytes = (name: string) => {
    const found = new RegExp(`^${name}: +([0-9]+) kB$`, "m").exec(answers.memory)?.[1];
    return found === undefined ? undefined : Number(found) * 1024;
  };
  const available = bytes("MemAvailable");
  const disk = /^([0-9]+)$/m.exec(answers.disk)?.[1];
  return {
    // A kernel without swap may leave its line out; the memory still counts.
    memory: available === undefined ? undefined : available + (bytes("SwapFree") ?? 0),
    disk: disk === undefined ? undefined : Number(disk),
  };
}

/** What could not be checked, a sentence each. A host that does not tell is not refused: the build may well fit. */
export function unchecked({ memory, disk }: Space): string[] {
  return [
    ...(memory === undefined
      ? [`free memory not checked: the host does not report it; a build needs about ${inMebibytes(buildNeeds.memory)}`]
      : []),
    ...(disk === undefined
      ? [
          `free disk space not checked: the host does not report it; a build needs about ${inMebibytes(buildNeeds.disk)}`,
        ]
      : []),
  ];
}

export function spaceProblem({ memory, disk }: Space) {
  if (memory !== undefined && memory < buildNeeds.memory) {
    return {
      code: "memory-short",
      problem: `a build on the host needs about ${inMebibytes(buildNeeds.memory)} of memory, and ${inMebibytes(memory)} are free, swap included. Nothing was changed.`,
      fix: `Stop a bot for the time being, choose a larger clawdlets:serverType, ${elsewhere}`,
    } as const;
  }
  if (disk !== undefined && disk < buildNeeds.disk)
    return diskProblem("a build on the host", buildNeeds.disk, disk, elsewhere);
  return undefined;
}

/** What nix keeps free on a host: below it, it deletes old paths (nix.settings.min-free). */
const reserve = 1024 * mebibyte;

/** Refuses a system that does not fit next to those that the host has. @param bytes of what would be copied */
export function copyProblem(bytes: number, free: number) {
  return bytes + reserve <= free
    ? undefined
    : diskProblem("the new system", bytes + reserve, free, "or choose a larger clawdlets:serverType");
}

/** Refuses sources that do not fit next to what is built from them. @param bytes of what would be copied */
export function sourceProblem(bytes: number, free: number) {
  const needed = bytes + buildNeeds.disk;
  return needed <= free ? undefined : diskProblem("a build on the host, with its source,", needed, free, elsewhere);
}

function diskProblem(what: string, needed: number, free: number, otherwise: string) {
  return {
    code: "disk-full",
    problem: `${what} needs ${inMebibytes(needed)} of disk space, and ${inMebibytes(free)} are free. Nothing was changed.`,
    fix: `Delete old generations at the console (sudo nix-collect-garbage --delete-older-than 7d), ${otherwise}`,
  } as const;
}
