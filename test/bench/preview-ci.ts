/**
 * `node --import ./bin/typescript.mjs test/bench/preview-ci.ts [COUNT…]`: how long `preview --ci --all` takes for so many stacks, with and without a
 * base, and how much memory its processes have at once. No test asserts a time.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Clone } from "../engine/preview/_clone.ts";

const counts = process.argv.slice(2).map(Number);

interface Usage {
  mib: number;
  processes: number;
}

/** Proportional set size of a process and all that it started, so that what they share counts once. */
function usageOf(root: number): Usage {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc").filter((each) => /^\d+$/.test(each))) {
    const ppid = /\) \S (\d+)/.exec(read(`/proc/${name}/stat`))?.[1];
    if (ppid !== undefined) parents.set(Number(name), Number(ppid));
  }
  const isOurs = (pid: number): boolean => pid === root || (parents.has(pid) && isOurs(parents.get(pid) ?? 0));
  const ours = [...parents.keys()].filter(isOurs);
  const kib = ours.reduce(
    (sum, pid) => sum + Number(/^Pss: +(\d+)/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0),
    0,
  );
  return { mib: Math.round(kib / 1024), processes: ours.length };
}

/** Seconds of processor time of a process and of what it started and has seen end, in hundredths (proc(5), fields 14 to 17). */
function processorSeconds(pid: number): number {
  const fields = read(`/proc/${pid}/stat`)
    .replace(/^.*\) /, "")
    .split(" ")
    .slice(11, 15);
  return fields.reduce((sum, field) => sum + Number(field), 0) / 100;
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return ""; // It has ended since.
  }
}

async function measure(clone: Clone, args: string[]): Promise<string> {
  const startedAt = performance.now();
  const running = clone.preview(["--all", "--format", "json", ...args]);
  let peak: Usage = { mib: 0, processes: 0 };
  let processor = 0;
  const watch = setInterval(() => {
    processor = Math.max(processor, processorSeconds(running.pid ?? 0));
    const now = usageOf(running.pid ?? 0);
    if (now.mib > peak.mib) peak = now;
  }, 250);
  const { exitCode, stderr } = await running;
  clearInterval(watch);
  if (exitCode === undefined || ![0, 10].includes(exitCode)) throw new Error(stderr);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  return `${seconds.padStart(6)} s, ${processor.toFixed(1)} s of processor time, at most ${peak.mib} MiB in ${peak.processes} processes`;
}

for (const count of counts.length > 0 ? counts : [1, 10, 100]) {
  const folder = mkdtempSync(join(tmpdir(), "clawdlets-bench-"));
  const clone = new Clone(join(folder, "clone"));
  for (let index = 1; index <= count; index++) await clone.host(`host-${index}`);
  await clone.commit("hosts");
  process.stdout.write(`${String(count).padStart(4)} stacks               ${await measure(clone, [])}\n`);
  clone.edit("stacks/Pulumi.host-1.yaml", "cx43", "cx53");
  process.stdout.write(
    `${String(count).padStart(4)} stacks, 1 changed    ${await measure(clone, ["--base", "HEAD"])}\n`,
  );
  rmSync(folder, { recursive: true, force: true });
}
