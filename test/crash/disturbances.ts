import { setTimeout as sleep } from "node:timers/promises";
import type { Report } from "../../emulator/index.ts";
import { type Process, treeOf } from "./processes.ts";

/** A call of Hetzner's API, by method and path template, and which one of its kind in a run, from 1. */
export interface Call {
  endpoint: string;
  nth: number;
}

/** What Hetzner, or the way to it, does once to a call. */
export const faults = {
  "429": { respond: { status: 429, code: "rate_limit_exceeded", message: "planted" } },
  "500": { respond: { status: 500, code: "server_error", message: "planted" } },
  "503": { respond: { status: 503, code: "unavailable", message: "planted" } },
  "423": { respond: { status: 423, code: "locked", message: "planted" } },
  reset: { connection: "reset" },
  /** Carried out, and the client never hears of it. */
  "lost answer": { connection: "reset-after" },
  timeout: { respondAfter: { status: 504, code: "timeout", message: "planted" } },
  "slow action": { action: { durationMs: 3000 } },
  "failed action": { action: { error: { code: "action_failed", message: "planted" } } },
} as const;

export type Fault = keyof typeof faults;

export const ofActions: readonly Fault[] = ["slow action", "failed action"];

/** Each by its command line. */
const processes = {
  engine: /(?:^|\/)pulumi (?:up|destroy|refresh)/,
  plugin: /pulumi-resource-command/,
  install: /clawdlets\S* install /,
  guard: /bin\/guard\.mjs/,
} as const;
type Name = keyof typeof processes;
const names = Object.keys(processes) as Name[];

/**
 * Who is killed, by SIGKILL: one or several of `processes`, joined by " + ", or `all`: the whole tree of `clawdlets up`, as when the
 * machine loses power.
 */
export type Victim = "all" | Name | `${Name} + ${string}`;

/** Every combination, and all. */
export const victims: readonly Victim[] = [
  ...Array.from({ length: 2 ** names.length - 1 }, (_, index) => {
    const chosen = names.filter((_name, bit) => ((index + 1) >> bit) % 2 === 1);
    return chosen.join(" + ") as Victim;
  }),
  "all",
];

export const isVictim = (victim: Victim, name: Name): boolean => victim === "all" || victim.split(" + ").includes(name);

/** Something that goes wrong in one run: at a call, or when the output says that a milestone is reached. */
export type Disturbance =
  | { kind: "fault"; fault: Fault; call: Call }
  | { kind: "kill"; victim: Victim; call: Call }
  | { kind: "kill"; victim: Victim; milestone: RegExp; name: string }
  | { kind: "kill"; victim: Victim; silent: true }
  /** Ctrl-C in the terminal: SIGINT to all that `clawdlets up` started there, once, or again while it still tidies up. */
  | { kind: "interrupt"; times: 1 | 2; milestone: RegExp; name: string }
  | { kind: "interrupt"; times: 1 | 2; silent: true };

export function nameOf(disturbance: Disturbance): string {
  const what = whatOf(disturbance);
  if ("silent" in disturbance) return `${what}: during a silent installer`;
  if ("milestone" in disturbance) return `${what}: at ${disturbance.name}`;
  return `${what}: ${disturbance.call.endpoint} #${disturbance.call.nth}`;
}

function whatOf(disturbance: Disturbance): string {
  if (disturbance.kind === "fault") return disturbance.fault;
  if (disturbance.kind === "kill") return `kill ${disturbance.victim}`;
  return disturbance.times === 1 ? "Ctrl-C" : "Ctrl-C twice";
}

/** The emulator's faults that plant a disturbance; a kill holds the answer back for as long as the killing takes. */
export function planted(disturbance: Disturbance): unknown[] {
  if (!("call" in disturbance)) return [];
  const [method, path] = disturbance.call.endpoint.split(" ");
  const fault = disturbance.kind === "fault" ? faults[disturbance.fault] : { delayMs: 1000 };
  return [{ match: { method, path, nth: disturbance.call.nth }, fault }];
}

/** Kills the chosen processes among what `root` has started. @returns whether each of them was there */
export async function kill(root: number, victim: Victim): Promise<boolean> {
  const tree = await treeOf(root);
  const chosen = names.filter((name) => isVictim(victim, name));
  const is = (name: Name) => (process: Process) => processes[name].test(process.command);
  const found = tree.filter((process) => victim === "all" || chosen.some((name) => is(name)(process)));
  // One that has ended meanwhile is as dead as it was to be.
  for (const { pid } of found) {
    try {
      process.kill(pid, "SIGKILL");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
  return victim === "all" ? found.length > 0 : chosen.every((name) => found.some(is(name)));
}

/** @param group a process group, of a run in a session of its own. @returns whether it was there at the first time */
export async function interrupt(group: number, times: 1 | 2): Promise<boolean> {
  for (let time = 1; time <= times; time += 1) {
    try {
      process.kill(-group, "SIGINT");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
      return time > 1;
    }
    if (time < times) await sleep(500); // As a person does who sees nothing happen.
  }
  return true;
}

export const hasStruck = ({ faultHits }: Report) => faultHits.some((hits) => hits > 0);
