import { problemSentence } from "../../core/base/problem.ts";
import { linesOf } from "../../core/host/tailnet/leave.ts";
import type { NamedMachine, TailnetStatus } from "../../core/host/tailnet/status.ts";

/** `clawdlets tailnet status` for people, line by line. */
export function statusLines(host: string, { client, machines, recorded, left }: TailnetStatus): string[] {
  return [
    `this machine: ${client.ok ? "in the tailnet" : "NOT in the tailnet"}`,
    ...client.problems.map((problem) => `  ${problemSentence(problem)}`),
    ...(machines.length === 0 ? [`${host}: the tailnet has no machine of this name`] : []),
    ...machines.map((machine) => machineLine(host, machine)),
    ...(recorded ? [recordedLine(recorded)] : []),
    ...linesOf(host, left),
  ];
}

function machineLine(host: string, machine: NamedMachine): string {
  const { name, id, addresses, tags, expiry, rekey } = machine;
  const who = whoIs(host, machine);
  const parts = [addresses[0] ?? "no address", who, tags.join(", ") || "no tags", expiry ?? "key does not expire soon"];
  if (rekey !== undefined) parts.push(rekey);
  return `${name} (${id}): ${parts.join("; ")}`;
}

function whoIs(host: string, { online, isHost, reason }: NamedMachine): string {
  if (isHost) return "the host, by its pinned key";
  if (isHost === false) return `NOT ${host}: ${reason}`;
  if (reason !== undefined) return `no ssh session: ${reason}`;
  return online ? "not tried" : "offline";
}

function recordedLine({ id, device, problem }: NonNullable<TailnetStatus["recorded"]>): string {
  const shown = device
    ? `${device.name}, ${device.tags.join(", ") || "no tags"}`
    : (problem ?? "not checked: no credentials");
  return `recorded device ${id}: ${shown}`;
}
