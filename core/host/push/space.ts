import { UserError } from "../../base/errors.ts";
import { askHost } from "../reach/ask.ts";
import { type SshRoute, ssh } from "../reach/ssh.ts";

/** A host's free memory, swap included, and disk space, in bytes; undefined for what it does not say. */
interface Space {
  memory: number | undefined;
  disk: number | undefined;
}

const mebibyte = 1024 ** 2;

/** An evaluation of NixOS needs about 1 GiB; a build writes a system beside the one that runs. */
const buildNeeds = { memory: 1024 * mebibyte, disk: 2048 * mebibyte };

const inMebibytes = (bytes: number) => `${Math.ceil(bytes / mebibyte)} MiB`;

/** Refuses a build on a host that has too little memory or disk space, before anything is changed there. */
export async function checkBuildSpace(host: string, route: SshRoute, signal: AbortSignal): Promise<void> {
  const problem = spaceProblem(await readSpace(route, signal));
  if (problem) throw new UserError({ subject: host, ...problem });
}

async function readSpace(route: SshRoute, signal: AbortSignal): Promise<Space> {
  const run = (command: string) => ssh(route, command, { timeoutSeconds: 20, signal });
  const seen = await askHost(run, {
    memory: "cat /proc/meminfo",
    disk: "df --block-size=1 --output=avail /nix/store 2>/dev/null",
  });
  const kibibytes = (name: string) => Number(new RegExp(`^${name}: +([0-9]+) kB$`, "m").exec(seen?.memory ?? "")?.[1]);
  const memory = (kibibytes("MemAvailable") + kibibytes("SwapFree")) * 1024;
  const disk = /^([0-9]+)$/m.exec(seen?.disk ?? "")?.[1];
  return { memory: Number.isNaN(memory) ? undefined : memory, disk: disk === undefined ? undefined : Number(disk) };
}

export function spaceProblem({ memory, disk }: Space) {
  const elsewhere = 'or build elsewhere: clawdlets:rebuild.buildOn: "local"';
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

function diskProblem(what: string, needed: number, free: number, otherwise: string) {
  return {
    code: "disk-full",
    problem: `${what} needs ${inMebibytes(needed)} of disk space, and ${inMebibytes(free)} are free. Nothing was changed.`,
    fix: `Delete old generations at the console (sudo nix-collect-garbage --delete-older-than 7d), ${otherwise}`,
  } as const;
}
