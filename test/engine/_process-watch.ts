import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

/** A canary where a process of the machine could show it. Holds the canary's name, never its text. */
export interface Finding {
  canary: string;
  /** Arguments are seen by everybody on the machine, an environment by root and the same user. */
  where: "arguments" | "environment";
  /** File name of the executable. */
  program: string;
  /** With the canaries masked. */
  args: string[];
}

/** Says where an environment is the designed way. Nothing allows an argument. */
export type Allow = (finding: { canary: string; program: string; args: string[] }) => boolean;

interface Setup {
  processWatch: true;
  canaries: Readonly<Record<string, string>>;
  /** Number of checks of arguments, environments and processes; and whether to stop. */
  counts: Int32Array;
}
const slots = { arguments: 0, environments: 1, processes: 2, stop: 3 } as const;

/**
 * Reads the arguments and the environment of every process on the machine through a run, from a thread of its own, and
 * keeps where a canary stood.
 *
 * It polls: every millisecond or so for processes that are new, and every 20 ms for the others, which may have called
 * exec. On two busy cores it saw nearly all that lived for 15 ms and two of three that lived for 5 ms; what is as quick
 * as `true` mostly goes unseen. The kernel's own notices (proc connector, eBPF, ptrace) would miss none, but Node
 * reaches none of them, and strace slows a run several times.
 * Without root, environments of other users' processes are not seen.
 */
export class ProcessWatch {
  readonly #allow: Allow;
  readonly #counts = new Int32Array(new SharedArrayBuffer(4 * Object.keys(slots).length));
  readonly #ended: Promise<void>;
  readonly #found = new Map<string, Finding>();

  /** @param canaries what must not be seen, by a name to call it by */
  constructor(canaries: Readonly<Record<string, string>>, allow: Allow = () => false) {
    this.#allow = allow;
    const setup: Setup = { processWatch: true, canaries, counts: this.#counts };
    // A thread: a run keeps the event loop busy. It is told nothing by argument or environment, where it looks itself.
    const [tsx, self] = [import.meta.resolve("tsx/esm/api"), import.meta.url].map((url) => JSON.stringify(url));
    const program = `import(${tsx}).then(({ register }) => { register(); return import(${self}); });`;
    const worker = new Worker(program, { eval: true, workerData: setup, execArgv: [] });
    worker.on("message", (finding: Finding) => this.#take(finding));
    this.#ended = new Promise((resolve, reject) => {
      worker.once("error", reject);
      worker.once("exit", () => resolve());
    });
    this.#ended.catch(() => undefined); // The caller of stop() gets the error.
  }

  /** Each finding once, those that are allowed left out. */
  get found(): Finding[] {
    return [...this.#found.values()];
  }

  /** How much was read, so that a watch that saw nothing cannot pass for one that found nothing. */
  get looks(): { arguments: number; environments: number; processes: number } {
    const at = (slot: number) => Atomics.load(this.#counts, slot);
    return { arguments: at(slots.arguments), environments: at(slots.environments), processes: at(slots.processes) };
  }

  /** Ends it; `found` is complete afterwards. */
  async stop(): Promise<void> {
    Atomics.store(this.#counts, slots.stop, 1);
    Atomics.notify(this.#counts, slots.stop);
    await this.#ended;
  }

  #take(finding: Finding): void {
    if (finding.where === "environment" && this.#allow(finding)) return;
    this.#found.set(JSON.stringify(finding), finding);
  }
}

/** What is known of one process since it was last inspected in full. */
interface Known {
  /** Start time, executable and arguments: another process under the same number, or an exec, changes it. */
  key: string;
  firstSeen: number;
}

/** Milliseconds: between checks of new processes, and of all of them, and for how long one counts as new. */
const pause = { young: 1, all: 20, youth: 50 };

function watch({ canaries, counts }: Setup, tell: (finding: Finding) => void): void {
  const known = new Map<string, Known>();
  let pids: string[] = [];
  let newest: string | undefined;
  let nextFull = 0;
  while (Atomics.load(counts, slots.stop) === 0) {
    const now = performance.now();
    const isFull = now >= nextFull;
    const latest = newestPid();
    if (isFull || latest !== newest) pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
    newest = latest;
    for (const pid of pids) {
      const before = known.get(pid);
      if (!isFull && before && now - before.firstSeen > pause.youth) continue;
      const key = lookAt(pid, before?.key);
      if (key === undefined || key === before?.key) continue;
      if (!before) Atomics.add(counts, slots.processes, 1);
      known.set(pid, { key, firstSeen: now });
    }
    const taken = performance.now() - now;
    if (isFull) {
      for (const pid of known.keys()) if (!pids.includes(pid)) known.delete(pid);
      nextFull = now + Math.max(pause.all, 8 * taken);
    }
    // With the line above a third of one core at most, however many processes there are.
    Atomics.wait(counts, slots.stop, 0, isFull ? pause.young : Math.max(pause.young, 4 * taken));
  }

  /** The last number given to a process or thread: while it stays, nothing is new, and /proc need not be listed. */
  function newestPid(): string | undefined {
    return read("/proc/loadavg")?.split(" ").at(-1);
  }

  /** Arguments at every look, the environment once for each key. @returns the key, nothing when it is gone */
  function lookAt(pid: string, before: string | undefined): string | undefined {
    // Again where it called exec meanwhile: the environment would be put down to the wrong program.
    for (let tries = 0; tries < 3; tries++) {
      const seen = identify(pid);
      if (!seen) return undefined;
      Atomics.add(counts, slots.arguments, 1);
      report("arguments", seen.args, seen);
      if (seen.key === before) return before;
      const environment = read(`/proc/${pid}/environ`);
      if (environment === undefined || identify(pid)?.key !== seen.key) continue;
      Atomics.add(counts, slots.environments, 1);
      report("environment", environment, seen);
      return seen.key;
    }
    return undefined;
  }

  function report(where: Finding["where"], text: string, { program, args }: { program: string; args: string }): void {
    for (const [canary, secret] of Object.entries(canaries)) {
      if (text.includes(secret)) tell({ canary, where, program, args: masked(args).split("\0").slice(0, -1) });
    }
  }

  function masked(text: string): string {
    return Object.entries(canaries).reduce((left, [name, secret]) => left.replaceAll(secret, `<${name}>`), text);
  }
}

/** Nothing for one that is gone, and for threads of the kernel, which have neither arguments nor environment. */
function identify(pid: string): { key: string; program: string; args: string } | undefined {
  const args = read(`/proc/${pid}/cmdline`);
  if (!args) return undefined;
  const stat = read(`/proc/${pid}/stat`) ?? "";
  const name = stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"));
  // Fields after the name, which may hold blanks and brackets; the 22nd of all is the start time (proc(5)).
  const started = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  const program = executableOf(pid) ?? name;
  return { key: [started, program, args].join("\0"), program, args };
}

function executableOf(pid: string): string | undefined {
  try {
    return basename(readlinkSync(`/proc/${pid}/exe`)).replace(/ \(deleted\)$/, "");
  } catch {
    return undefined; // It is gone, or another user's.
  }
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined; // It is gone, or another user's.
  }
}

const setup = workerData as Partial<Setup> | null;
if (!isMainThread && setup?.processWatch && setup.canaries && setup.counts) {
  watch(setup as Setup, (finding) => parentPort?.postMessage(finding));
}
