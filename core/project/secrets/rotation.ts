import { join } from "node:path";
import { z } from "zod";
import { readPrivateFile, removePrivateFile, writePrivateFile } from "../../base/machine/private-files.ts";
import type { SecretStore } from "./store.ts";

const rotation = z.object({
  version: z.literal(1),
  /** The recipient to retire. */
  from: z.string(),
  /** The recipient that replaces it. */
  to: z.string(),
  /** `both`: everything is encrypted to both, and the host still has the old identity. `new`: the host has the new one. */
  step: z.enum(["both", "new"]),
  /** ISO 8601, UTC. */
  startedAt: z.string(),
});

/** Progress of the rotation of a host's identity; contains recipients only. */
export type Rotation = z.infer<typeof rotation>;

type Place = Pick<SecretStore, "layout" | "host">;

const journalFile = ({ layout, host }: Place) => join(layout.secrets, "hosts", `${host}.rotation.json`);

/** The new identity, kept next to the old one until it takes over. */
export function nextIdentityFile({ layout, host }: Place): string {
  return join(layout.secrets, "hosts", `${host}.agekey.next`);
}

/** Where a retired identity is kept, because backups of old ciphertext may still need it. Never overwritten. */
export function retiredIdentityFile({ layout, host }: Place, recipient: string): string {
  return join(layout.secrets, "hosts", `${host}.agekey.${recipient.slice(0, 12)}.bak`);
}

/** @returns undefined if no rotation is in progress */
export function readRotation(place: Place): Rotation | undefined {
  const text = readPrivateFile(journalFile(place));
  return text === undefined ? undefined : rotation.parse(JSON.parse(text));
}

export async function writeRotation(place: Place, next: Rotation): Promise<Rotation> {
  await writePrivateFile(journalFile(place), `${JSON.stringify(next, null, 2)}\n`);
  return next;
}

export async function endRotation(place: Place): Promise<void> {
  await removePrivateFile(journalFile(place));
}
