import { messageOf } from "../../base/errors.ts";
import type { TailnetApi } from "../../base/tailnet/types.ts";
import { hostLayoutOf } from "../../project/layout.ts";
import { changeTailnetRecord, type RecordedDevice, readJournal } from "../journal.ts";
import { readTailnetClient } from "../reach/tailnet-client.ts";
import type { Tried } from "./leave.ts";
import type { Confirmed } from "./rekey-follow.ts";
import type { Rekey } from "./rekey-request.ts";

/** A host's new device in the journal. */
export interface NewDevice {
  device?: RecordedDevice;
  /** Gives it the host's name, if the old device had that and is gone. @returns the name that it has then */
  rename: (tried: readonly Tried[]) => Promise<string>;
}

/**
 * Records the confirmed device as the host's, and the one before it as to be deleted. The host is reached all the same if the API fails,
 * so that is only reported. Without a journal, as on another operator's machine, nothing is recorded and nothing deleted.
 */
export async function recordNewDevice(
  { layout, settings, local, report, signal }: Rekey,
  api: TailnetApi | undefined,
  { route, state }: Confirmed,
): Promise<NewDevice> {
  const { host } = settings;
  const { journal } = hostLayoutOf(layout, host);
  const { peers } = await readTailnetClient(local, signal);
  const peer = peers.find(({ PublicKey }) => PublicKey === state.to);
  const known = peer && { id: peer.ID, nodeKey: state.to };
  const former = readJournal(journal)?.tailnet?.device;
  let name = peer?.DNSName.split(".")[0] ?? "";
  let formerName: string | undefined;
  let device: RecordedDevice | undefined = known;
  try {
    const listed = (await api?.devices())?.find(({ addresses }) => addresses.includes(route.address));
    if (listed?.nodeKey === state.to) {
      device = { id: listed.id, nodeKey: listed.nodeKey };
      name = listed.name;
    }
    formerName = former && (await api?.device(former.id))?.name;
  } catch (error) {
    report(`the control server does not say which device it is: ${messageOf(error)}`);
  }
  const isOther = former !== undefined && former.id !== device?.id;
  if (device) {
    const earlier = readJournal(journal)?.tailnet?.former ?? [];
    await changeTailnetRecord(journal, { device, former: [...earlier, ...(isOther ? [former] : [])] });
  }
  if (!isOther) report(`no old device is recorded on this machine, so none is deleted; its node key was ${state.from}`);
  return {
    ...(device && { device }),
    rename: async (tried) => {
      const isGone = former && tried.some(({ kind, id, problem }) => kind === "device" && id === former.id && !problem);
      if (!api || !device || !isGone || formerName !== host || name === host) return name;
      try {
        await api.rename(device.id, host);
        report(`renamed the new device from ${name} to ${host}`);
        return host;
      } catch (error) {
        report(`the new device is still named ${name}: ${messageOf(error)}`);
        return name;
      }
    },
  };
}
