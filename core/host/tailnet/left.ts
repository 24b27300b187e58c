import { z } from "zod";
import { readPrivateFile, removePrivateFile, writePrivateFile } from "../../base/machine/private-files.ts";
import { parseJson } from "../../base/text/json.ts";
import { recordedDevice, recordedKey } from "../journal.ts";

const left = z.object({ devices: z.array(recordedDevice).default([]), keys: z.array(recordedKey).default([]) });

/** Devices and keys of hosts that are gone, still in the tailnet because its API refused or could not be reached. */
export type Left = z.infer<typeof left>;

export const isNothing = ({ devices, keys }: Left): boolean => devices.length === 0 && keys.length === 0;

/** Reads `.clawdlets/hosts/<host>/tailnet-left.json`, which is there only while something is left. */
export const readLeft = (path: string): Left =>
  left.safeParse(parseJson(readPrivateFile(path))).data ?? { devices: [], keys: [] };

export async function writeLeft(path: string, what: Left): Promise<void> {
  if (!isNothing(what)) await writePrivateFile(path, `${JSON.stringify(what, null, 2)}\n`);
  else if (readPrivateFile(path) !== undefined) await removePrivateFile(path);
}

/** Adds to it, so that the next run tries, whatever happens to this one. The caller holds the host's lock. */
export async function noteLeft(path: string, more: Left): Promise<void> {
  const { devices, keys } = readLeft(path);
  await writeLeft(path, { devices: [...devices, ...more.devices], keys: [...keys, ...more.keys] });
}
