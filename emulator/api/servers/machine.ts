import { randomBytes, randomUUID } from "node:crypto";
import type { MachineRecord } from "../../cloud/types.ts";

export function newMachine(): MachineRecord {
  return {
    powered: false,
    os: "debian",
    disk: "debian",
    mounted: false,
    bootId: randomUUID(),
    installRuns: 0,
    diskWipes: 0,
    connectionsAccepted: 0,
    connectionsRefused: 0,
  };
}

/** A root password as the API returns one. Nothing here accepts it: machines take keys only. */
export function newPassword(): string {
  return randomBytes(15).toString("base64url");
}
