import { messageOf } from "../../base/errors.ts";
import { takeHostLock } from "../../base/machine/file-lock.ts";
import { asUserError } from "../../base/system-errors.ts";
import { createTailnetApi } from "../../base/tailnet/api.ts";
import type { TailnetApi } from "../../base/tailnet/types.ts";
import type { HostLayout } from "../../project/layout.ts";
import type { LocalSettings } from "../../project/settings/host.ts";
import { changeTailnetRecord, readJournal } from "../journal.ts";
import { leftDevice, removeRecorded } from "./devices.ts";
import { isNothing, type Left, readLeft, writeLeft } from "./left.ts";

interface Leaving {
  files: Pick<HostLayout, "journal" | "tailnetLeft" | "lock">;
  local: Pick<LocalSettings, "tailnetApi">;
  host: string;
  tell: (text: string) => void;
  signal?: AbortSignal;
}

/** A device or key that was to be deleted. */
export interface Tried {
  kind: "device" | "key";
  id: string;
  /** Why it is still there; undefined if it is gone. */
  problem?: string;
}

/**
 * Deletes the recorded devices of a destroyed host from the tailnet, and revokes a key that was not used. A failure is only reported, with
 * the id, and noted for the next try: the server is gone all the same.
 */
export async function leaveTailnet({ files, local, host, tell, signal }: Leaving): Promise<void> {
  const { device, former = [], key } = readJournal(files.journal)?.tailnet ?? {};
  const noted = notedBefore(files.tailnetLeft, (reason) =>
    tell(`${host}: cannot read what is left in the tailnet: ${reason}`),
  );
  const devices = [...noted.devices, ...former, ...(device ? [device] : [])];
  const keys = [...noted.keys, ...(key ? [key] : [])];
  const { left, tried } = await tryAll({ devices, keys }, local, signal);
  for (const line of linesOf(host, tried)) tell(line);
  try {
    await writeLeft(files.tailnetLeft, left);
  } catch (error) {
    tell(`${host}: ${files.tailnetLeft} could not be written, so nothing is tried again: ${knownReason(error)}`);
  }
}

/**
 * Tries again to delete what earlier runs could not: old devices and used keys. Asks the API only if there is something left. That the
 * host's lock is taken or the disk is full is a reason like any other: this is cleanup, and stops nothing.
 * @returns what was tried
 */
export async function retryLeft(leaving: Omit<Leaving, "tell">): Promise<Tried[]> {
  const everything = everythingLeft(leaving.files);
  return isNothing(everything) ? [] : await orReason(everything, leaving, retryUnderLock(leaving));
}

/** A failure of the whole try is the reason why each is left. */
async function orReason(
  { devices, keys }: Left,
  { signal }: Pick<Leaving, "signal">,
  trying: Promise<Tried[]>,
): Promise<Tried[]> {
  try {
    return await trying;
  } catch (error) {
    signal?.throwIfAborted();
    const problem = knownReason(error);
    const notTried = (kind: Tried["kind"]) => (each: { id: string }) => ({ kind, id: each.id, problem });
    return [...devices.map(notTried("device")), ...keys.map(notTried("key"))];
  }
}

function notedBefore(path: string, onProblem: (reason: string) => void): Left {
  try {
    return readLeft(path);
  } catch (error) {
    onProblem(knownReason(error));
    return { devices: [], keys: [] };
  }
}

/** @throws the error itself if it is a bug */
function knownReason(error: unknown): string {
  const known = asUserError(error);
  if (!known) throw error;
  return known.message;
}

async function retryUnderLock(leaving: Omit<Leaving, "tell">): Promise<Tried[]> {
  const release = await takeHostLock(leaving.files.lock, leaving.host, () => undefined);
  try {
    return await retryEverything(leaving);
  } finally {
    await release();
  }
}

/** As {@link retryLeft}, for a caller that holds the host's lock. */
export async function retryLeftLocked(leaving: Omit<Leaving, "tell">): Promise<Tried[]> {
  const everything = everythingLeft(leaving.files);
  return isNothing(everything) ? [] : await orReason(everything, leaving, retryEverything(leaving));
}

async function retryEverything({ files, local, signal }: Omit<Leaving, "tell">): Promise<Tried[]> {
  const { left, tried } = await tryAll(everythingLeft(files), local, signal);
  const isLeft = (each: { id: string }, among: readonly { id: string }[]) => among.some(({ id }) => id === each.id);
  const { former = [], key } = readJournal(files.journal)?.tailnet ?? {};
  // One place each: what the journal does not say is in the file.
  const ofJournal = {
    former: former.filter((each) => isLeft(each, left.devices)),
    key: key && isLeft(key, left.keys) ? key : undefined,
  };
  await changeTailnetRecord(files.journal, ofJournal);
  const noted = readLeft(files.tailnetLeft);
  await writeLeft(files.tailnetLeft, {
    devices: noted.devices.filter((each) => isLeft(each, left.devices)),
    keys: noted.keys.filter((each) => isLeft(each, left.keys)),
  });
  return tried;
}

/** What the file says, and the journal of a finished installation. Until it is finished, its key is in use. */
function everythingLeft(files: Pick<HostLayout, "journal" | "tailnetLeft">): Left {
  const noted = readLeft(files.tailnetLeft);
  const last = readJournal(files.journal);
  if (last?.state !== "done" || !last.tailnet) return noted;
  const { former, key } = last.tailnet;
  return { devices: [...noted.devices, ...former], keys: [...noted.keys, ...(key ? [key] : [])] };
}

async function tryAll(
  { devices, keys }: Left,
  { tailnetApi }: Pick<LocalSettings, "tailnetApi">,
  signal: AbortSignal | undefined,
): Promise<{ left: Left; tried: Tried[] }> {
  // A key that has expired opens nothing any more.
  const current = [...new Map(keys.map((key) => [key.id, key])).values()].filter(
    ({ expires }) => !(Date.parse(expires) <= Date.now()),
  );
  const limits = { attempts: 3, maxWaitSeconds: 3 };
  const api = tailnetApi && createTailnetApi(tailnetApi, { limits, ...(signal && { signal }) });
  const left: Left = { devices: [], keys: [] };
  const tried: Tried[] = [];
  for (const device of new Map(devices.map((each) => [each.id, each])).values()) {
    const kept = api ? await removeRecorded(api, device) : { reason: noCredentials, isForeign: false };
    if (kept?.isForeign === false) left.devices.push(device);
    const advice = api ? leftDevice(api, device) : "Set them, or delete it in the tailnet's admin console.";
    tried.push({ kind: "device", id: device.id, ...(kept && { problem: `${kept.reason} ${advice}` }) });
  }
  for (const key of current) {
    const reason = api ? await revoked(api, key.id) : noCredentials;
    if (reason !== undefined) left.keys.push(key);
    tried.push({
      kind: "key",
      id: key.id,
      ...(reason !== undefined && { problem: `${reason} It expires on its own: ${key.expires}` }),
    });
  }
  return { left, tried };
}

const noCredentials = ".clawdlets/.env has no credentials for the tailnet's API.";

const revoked = (api: TailnetApi, id: string): Promise<string | undefined> =>
  api.revoke(id).then(
    () => undefined,
    (error: unknown) => messageOf(error),
  );

/** One line for each device and key. */
export function linesOf(host: string, tried: readonly Tried[]): string[] {
  const names = { device: "the old device", key: "the auth key" };
  return tried.map(({ kind, id, problem }) => {
    if (problem === undefined) return `${host}: deleted ${names[kind]} ${id} from the tailnet`;
    return `${host}: ${names[kind]} ${id} is still in the tailnet: ${problem}`;
  });
}
