import { readlinkSync } from "node:fs";
import { execa } from "execa";

export interface Process {
  pid: number;
  command: string;
}

/** Installations, their installers and guards that work in a project's folder. */
export async function atWorkIn(folder: string): Promise<string[]> {
  const found = (await allProcesses()).filter(({ command }) =>
    /clawdlets\S* install |guard\.mjs|anywhere/.test(command),
  );
  return found.flatMap(({ pid, command }) => {
    const isThere = command.includes(folder) || folderOf(pid)?.startsWith(folder);
    return isThere ? [command.slice(0, 120)] : [];
  });
}

function folderOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return undefined; // It has ended meanwhile.
  }
}

/** A process and everything that it has started and that still runs, the root first. */
export async function treeOf(root: number): Promise<Process[]> {
  const all = await allProcesses();
  const tree = all.filter(({ pid }) => pid === root);
  for (const { pid } of tree) tree.push(...all.filter(({ parent }) => parent === pid));
  return tree.map(({ pid, command }) => ({ pid, command }));
}

async function allProcesses(): Promise<(Process & { parent: number })[]> {
  const { stdout } = await execa("ps", ["-A", "-ww", "-o", "pid=,ppid=,stat=,args="]);
  return stdout.split("\n").flatMap((line) => {
    const [, pid, parent, state, command = ""] = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    return pid === undefined || state?.startsWith("Z") ? [] : [{ pid: Number(pid), parent: Number(parent), command }];
  });
}
