import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { expect, it } from "vitest";
import { showEvents } from "../../../../engine/progress/events.ts";

const command = "command:local:Command";

/** The lines of one operation, from its start to its end. */
function linesOf(op: string, type: string, component: string): string[] {
  const lines: string[] = [];
  const show = showEvents(Object.assign((text: string) => void lines.push(text), { startedAt: 0 }));
  const urn = `urn:pulumi:web-1::clawdlets::clawdlets:index:Host$clawdlets:index:${component}$${type}::web-1-x`;
  const metadata = { op, urn, type };
  show({ resourcePreEvent: { metadata } } as unknown as EngineEvent);
  show({ resOutputsEvent: { metadata } } as unknown as EngineEvent);
  return lines;
}

it.each<[string, string, string, string[]]>([
  ["create", command, "Lockdown", ["proving the lockdown", "proved the lockdown"]],
  ["create-replacement", command, "Lockdown", ["proving the lockdown", "proved the lockdown"]],
  ["replace", command, "Lockdown", []],
  ["delete-replaced", command, "Lockdown", []],
  ["create-replacement", command, "NixosInstall", ["installing NixOS", "installed NixOS"]],
  ["update", command, "NixosInstall", ["updating Command web-1-x", "updated Command web-1-x"]],
  ["update", command, "NixosConfiguration", ["updating the host to its commit", "the host runs its commit"]],
  ["delete", command, "Lockdown", ["deleting Command web-1-x", "deleted Command web-1-x"]],
  ["replace", "hcloud:index/server:Server", "HetznerServer", ["replacing Server web-1-x", "replaced Server web-1-x"]],
])("%s of %s in %s is told as %j", (op, type, component, lines) => {
  expect(linesOf(op, type, component)).toEqual(lines);
});
