import { execa } from "execa";

export interface Process {
  pid: number;
  command: string;
}

/** A process and everything that it has started and that still runs, the root first. */
export async function treeOf(root: number): Promise<Process[]> {
  const { stdout } = await execa("ps", ["-A", "-ww", "-o", "pid=,ppid=,stat=,args="]);
  const all = stdout.split("\n").flatMap((line) => {
    const [, pid, parent, state, command = ""] = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    return pid === undefined || state?.startsWith("Z") ? [] : [{ pid: Number(pid), parent: Number(parent), command }];
  });
  const tree = all.filter(({ pid }) => pid === root);
  for (const { pid } of tree) tree.push(...all.filter(({ parent }) => parent === pid));
  return tree.map(({ pid, command }) => ({ pid, command }));
}
