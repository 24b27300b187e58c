import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { readFolder } from "../../core/base/machine/private-files.ts";
import { readJournal } from "../../core/host/journal.ts";
import { hostLayoutOf } from "../../core/project/layout.ts";
import { addToStackFile } from "../../core/project/settings/stack-file.ts";
import type { ServerReport } from "../../emulator/index.ts";
import type { CrashLab, Run } from "./_lab.ts";
import { type Call, type Disturbance, hasStruck, interrupt, isVictim, kill, planted } from "./disturbances.ts";
import { PortWatch } from "./port-watch.ts";
import { atWorkIn } from "./processes.ts";

/** The life of a host, in order: each begins where the one before it ended. */
export const operations = ["create", "open", "close", "reinstall", "destroy"] as const;
export type Operation = (typeof operations)[number];

/** Seconds within which the guard has closed the port of a run that is gone. */
const guardSeconds = 10;

export interface CaseResult {
  /** Whether the disturbance came about at all: a milestone or call may not come in this operation. */
  disturbed: boolean;
  /** Whether one more run ended well, and everything is then as it was asked for. */
  converged: boolean;
  /** The port was still open when the guard's time was over. */
  leftOpen: boolean;
  /** Seconds that it was open past the guard's time. */
  secondsOpen: number;
  /** Servers, firewalls, windows and keys at Hetzner beyond those that belong there. */
  orphans: number;
  /** Disks that were wiped after the wanted installation had come up. */
  doubleInstalls: number;
  /** Keys of this host and its operator that are not what they were. */
  keysLost: number;
  /** What is not as it should be, for a person. */
  wrong: string[];
}

/** Does the operation, disturbed, and then once more as a person would: `clawdlets up`, or `destroy`. */
export async function runCase(lab: CrashLab, operation: Operation, disturbance?: Disturbance): Promise<CaseResult> {
  await prepare(lab, operation);
  const keys = keysOf(lab);
  const start = await serverOf(lab);
  const watch = new PortWatch(() => exposedAddress(lab), lab.demo.sshPort);
  try {
    const { disturbed, guardDead } = await disturbedRun(lab, operation, disturbance);
    // After Ctrl-C the command returns when nothing is left. One pressed again takes that time away, and leaves it to the guard.
    const isStopped = disturbed && disturbance?.kind === "interrupt" && disturbance.times === 1;
    const left = isStopped ? await leftAtOnce(lab) : [];
    const between = await serverOf(lab);
    // Open by declaration, or nobody is left to close it: then the next run does.
    const mayBeOpen = operation === "open" || operation === "close" || guardDead;
    const closed = mayBeOpen ? 0 : await watch.closes(guardSeconds + 5);
    const again = await lab.run(commandOf(operation));
    const wrong = [...left, ...(again.exitCode === 0 ? [] : [`the next run: ${lastLines(again.all)}`])];
    const end = await serverOf(lab);
    wrong.push(...(await whatIsWrong(lab, operation, start, end)));
    if (operation !== "open" && operation !== "destroy" && (await watch.closes(5)) === undefined) {
      wrong.push("TCP/22 is open");
    }
    const orphans = await orphansOf(lab, operation);
    const keysLost = Object.entries(keysOf(lab)).filter(([name, value]) => keys[name] !== value).length;
    return {
      disturbed,
      converged: wrong.length === 0,
      leftOpen: closed === undefined,
      secondsOpen: Math.max(0, (closed ?? guardSeconds + 5) - guardSeconds),
      orphans: orphans.length,
      doubleInstalls: doubleInstalls(operation, start, between, end),
      keysLost,
      wrong: [...wrong, ...orphans],
    };
  } finally {
    await watch.stop();
  }
}

/** The calls of an undisturbed operation, in no order: what a disturbance can be planted at. Polls once. */
export async function callsOf(lab: CrashLab, operation: Operation): Promise<Call[]> {
  await prepare(lab, operation);
  await lab.api("POST", "/_emulator/reset-counters");
  const { exitCode, all } = await lab.run(commandOf(operation));
  if (exitCode !== 0) throw new Error(`${operation}, undisturbed: ${lastLines(all)}`);
  const { requests } = await lab.demo.report();
  return Object.entries(requests).flatMap(([endpoint, times]) =>
    Array.from({ length: endpoint.startsWith("GET /actions") ? 1 : times }, (_, index) => ({
      endpoint,
      nth: index + 1,
    })),
  );
}

const commandOf = (operation: Operation) => (operation === "destroy" ? ["destroy", "--yes"] : ["up"]);

async function prepare(lab: CrashLab, operation: Operation): Promise<void> {
  const { layout, host } = lab.demo;
  const exposure = operation === "open" ? "public" : "tailnet";
  await addToStackFile(layout, host, { sshExposure: exposure }, ["sshExposure"]);
  if (operation === "reinstall") await addToStackFile(layout, host, { reinstall: lab.nextReinstall() }, ["reinstall"]);
}

async function disturbedRun(lab: CrashLab, operation: Operation, disturbance: Disturbance | undefined) {
  await lab.api("POST", "/_emulator/faults", disturbance ? planted(disturbance) : []);
  const wipes = (await serverOf(lab))?.diskWipes ?? 0;
  const isKill = disturbance?.kind === "kill";
  const isInterrupt = disturbance?.kind === "interrupt";
  const isSilent = (isKill || isInterrupt) && "silent" in disturbance;
  const run = lab.run(commandOf(operation), { ...(isSilent && { installer: "silent" }), hasSession: isInterrupt });
  let disturbed = false;
  if (isKill) {
    disturbed = (await isReached(lab, run, disturbance, wipes)) && (await kill(run.pid ?? 0, disturbance.victim));
  }
  if (isInterrupt) {
    disturbed = (await isReached(lab, run, disturbance, wipes)) && (await interrupt(run.pid ?? 0, disturbance.times));
  }
  await run;
  if (disturbance?.kind === "fault") disturbed = hasStruck(await lab.demo.report());
  await lab.api("POST", "/_emulator/faults", []);
  lab.ageLocks();
  return { disturbed, guardDead: isKill && disturbed && isVictim(disturbance.victim, "guard") };
}

type Stop = Extract<Disturbance, { kind: "kill" | "interrupt" }>;

/** Waits for the moment of a kill. @returns whether it came before the run's end */
function isReached(lab: CrashLab, run: Run, disturbance: Stop, wipes: number): Promise<boolean> {
  if ("milestone" in disturbance) return said(run, disturbance.milestone);
  if ("call" in disturbance) return during(run, async () => hasStruck(await lab.demo.report()));
  return during(run, async () => ((await serverOf(lab))?.diskWipes ?? 0) > wipes);
}

/** Waits until the output says it. @returns whether it did before its end */
function said(run: Run, text: RegExp): Promise<boolean> {
  let output = "";
  return new Promise((resolve) => {
    run.all?.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      if (text.test(output)) resolve(true);
    });
    run.then(() => resolve(false));
  });
}

async function during(run: Run, isSo: () => Promise<boolean>): Promise<boolean> {
  let ended = false;
  run.then(() => {
    ended = true;
  });
  while (!ended) {
    if (await isSo()) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}

/** The host's own firewall, which lets ssh in over the tailnet alone, would hide what Hetzner's lets through: it is taken away. */
async function exposedAddress(lab: CrashLab): Promise<string | null> {
  const server = await serverOf(lab);
  if (server) await lab.api("POST", `/_emulator/servers/${server.id}/public-ssh`, { on: true });
  return server?.ipv4 ?? server?.ipv6 ?? null;
}

const serverOf = async (lab: CrashLab): Promise<ServerReport | undefined> =>
  (await lab.demo.report()).servers.find(({ name }) => name === lab.demo.host);

async function whatIsWrong(
  lab: CrashLab,
  operation: Operation,
  start: ServerReport | undefined,
  end: ServerReport | undefined,
): Promise<string[]> {
  const wrong = await leftBehind(lab);
  if (operation === "destroy") return end ? [...wrong, "the server is still there"] : wrong;
  if (end?.os !== "nixos") wrong.push(`the server runs ${end?.os ?? "nowhere"}`);
  const { layout, host } = lab.demo;
  const journal = readJournal(hostLayoutOf(layout, host).journal);
  if (journal?.state !== "done" || journal.serverId !== end?.id) wrong.push(`the journal says ${journal?.state}`);
  if (start && (end?.id !== start.id || end.ipv4 !== start.ipv4 || end.ipv6 !== start.ipv6))
    wrong.push("it is another server");
  const isRuleChange = operation === "open" || operation === "close";
  if (isRuleChange && end?.bootId !== start?.bootId) wrong.push("the host was booted or installed again");
  const verified = await lab.run(["verify"]);
  if (verified.exitCode !== 0) wrong.push(`verify: ${lastLines(verified.all)}`);
  return wrong;
}

/** Of a run that was stopped by Ctrl-C, the moment it returned. */
async function leftAtOnce(lab: CrashLab): Promise<string[]> {
  const windows = await lab.windows();
  const left = [...(await leftBehind(lab)), ...(windows === 0 ? [] : [`${windows} windows`])];
  return left.map((each) => `when Ctrl-C had ended it: ${each}`);
}

/** Of the disturbed run, on this machine: keys in plain text, a journal that says "running", processes that install or guard. */
async function leftBehind(lab: CrashLab): Promise<string[]> {
  const files = hostLayoutOf(lab.demo.layout, lab.demo.host);
  const staged = readFolder(files.staging).map((name) => `staged: ${name}`);
  const isRunning = readJournal(files.journal)?.state === "running";
  const atWork = (await atWorkIn(lab.demo.layout.root)).map((command) => `still at work: ${command}`);
  return [...staged, ...(isRunning ? ["the journal says running"] : []), ...atWork];
}

/** Everything at Hetzner carries our labels or name; what is beyond one of each was made twice or left behind. */
async function orphansOf(lab: CrashLab, operation: Operation): Promise<string[]> {
  const wanted = operation === "destroy" ? 0 : 1;
  const kinds = ["servers", "firewalls", "ssh_keys"] as const;
  const found = await Promise.all(
    kinds.map(async (kind): Promise<[string, number]> => [kind, (await lab.api("GET", `/${kind}`))[kind].length]),
  );
  return found.flatMap(([kind, count]) => (count === wanted ? [] : [`${count} ${kind}, wanted ${wanted}`]));
}

function doubleInstalls(
  operation: Operation,
  start: ServerReport | undefined,
  between: ServerReport | undefined,
  end: ServerReport | undefined,
): number {
  if (!between || !end || operation === "destroy") return 0;
  const installs = operation === "create" || operation === "reinstall";
  if (!installs) return end.diskWipes - (start?.diskWipes ?? 0);
  const wasUp = between.os === "nixos" && between.installRuns > (start?.installRuns ?? 0);
  return wasUp ? end.diskWipes - between.diskWipes : 0;
}

function keysOf(lab: CrashLab): Record<string, string> {
  const files = hostLayoutOf(lab.demo.layout, lab.demo.host);
  const { identity, hostKey, recipient } = files;
  const paths = { identity, hostKey, recipient, passphrase: lab.demo.layout.passphrase };
  return Object.fromEntries(
    Object.entries(paths).map(([name, path]) => [name, createHash("sha256").update(readFileSync(path)).digest("hex")]),
  );
}

const lastLines = (text: string) => text.trimEnd().split("\n").slice(-4).join(" | ");
