import type { Call, Disturbance } from "./disturbances.ts";
import { type Fault, faults, nameOf, ofActions, victims } from "./disturbances.ts";
import { type Operation, operations } from "./life.ts";

/** What an installation says when it reaches a milestone. */
const milestones: readonly [name: string, text: RegExp][] = [
  ["the window opens", /\[open\]/],
  ["connecting", /\[connect\]/],
  ["rebuilding", /\[rebuild\]/],
  ["kexec", /\[kexec\] Switching/],
  ["formatting", /Formatting hard drive/],
  ["copying extra files", /Copying extra files/],
  ["installing", /Installing NixOS/],
  ["rebooting", /\[reboot\]/],
  ["confirming", /\[confirm\]/],
  ["over the tailnet", /\[tailnet\]/],
  ["closing", /\[close\] closing/],
  ["the proof", /locked down/],
];

/** How often Ctrl-C is pressed. */
const times = [1, 2] as const;

export type Cases = Record<Operation, Disturbance[]>;

export const caseName = (operation: Operation, disturbance: Disturbance): string =>
  `${operation}: ${nameOf(disturbance)}`;

/**
 * Every fault at every call; the engine and all killed at every call; every combination of processes killed, and Ctrl-C, at every
 * milestone of an installation, and while the installer works and says nothing, so that nobody writes to a pipe that is gone.
 */
export function allCases(calls: Record<Operation, Call[]>): Cases {
  const of = (operation: Operation): Disturbance[] => [
    ...calls[operation].flatMap((call) => [
      ...faultsAt(call).map((fault): Disturbance => ({ kind: "fault", fault, call })),
      ...(["engine", "all"] as const).map((victim): Disturbance => ({ kind: "kill", victim, call })),
    ]),
    ...milestonesOf(operation).flatMap(([name, milestone]) => [
      ...victims.map((victim): Disturbance => ({ kind: "kill", victim, milestone, name })),
      ...times.map((each): Disturbance => ({ kind: "interrupt", times: each, milestone, name })),
    ]),
    ...(operation === "reinstall"
      ? [
          ...victims.map((victim): Disturbance => ({ kind: "kill", victim, silent: true })),
          ...times.map((each): Disturbance => ({ kind: "interrupt", times: each, silent: true })),
        ]
      : []),
  ];
  return Object.fromEntries(operations.map((operation) => [operation, of(operation)])) as Cases;
}

/** A new server is not rebuilt first. */
function milestonesOf(operation: Operation): typeof milestones {
  if (operation === "reinstall") return milestones;
  return operation === "create" ? milestones.filter(([name]) => name !== "rebuilding") : [];
}

function faultsAt({ endpoint }: Call): Fault[] {
  const all = Object.keys(faults) as Fault[];
  return endpoint.startsWith("GET ") ? all.filter((fault) => !ofActions.includes(fault)) : all;
}
