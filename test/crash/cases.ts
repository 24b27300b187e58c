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

export type Cases = Record<Operation, Disturbance[]>;

export const caseName = (operation: Operation, disturbance: Disturbance): string =>
  `${operation}: ${nameOf(disturbance)}`;

/**
 * Every fault at every call; the engine and all killed at every call; every combination of processes killed at every milestone of an
 * installation, and while the installer works and says nothing, so that nobody writes to a pipe that is gone.
 */
export function allCases(calls: Record<Operation, Call[]>): Cases {
  const of = (operation: Operation): Disturbance[] => [
    ...calls[operation].flatMap((call) => [
      ...faultsAt(call).map((fault): Disturbance => ({ kind: "fault", fault, call })),
      ...(["engine", "all"] as const).map((victim): Disturbance => ({ kind: "kill", victim, call })),
    ]),
    ...(operation === "create" || operation === "reinstall" ? milestones : []).flatMap(([name, milestone]) =>
      victims.map((victim): Disturbance => ({ kind: "kill", victim, milestone, name })),
    ),
    ...(operation === "reinstall"
      ? victims.map((victim): Disturbance => ({ kind: "kill", victim, silent: true }))
      : []),
  ];
  return Object.fromEntries(operations.map((operation) => [operation, of(operation)])) as Cases;
}

function faultsAt({ endpoint }: Call): Fault[] {
  const all = Object.keys(faults) as Fault[];
  return endpoint.startsWith("GET ") ? all.filter((fault) => !ofActions.includes(fault)) : all;
}
