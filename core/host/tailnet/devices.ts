import { messageOf } from "../../base/errors.ts";
import type { TailnetApi, TailnetDevice } from "../../base/tailnet/types.ts";
import type { RecordedDevice } from "../journal.ts";
import type { Installation } from "../request.ts";

/** Why a device was not deleted. A foreign one is never deleted, so trying again does not help. */
export interface NotDeleted {
  reason: string;
  isForeign: boolean;
}

/**
 * Deletes a device that was recorded as a host's. Not if its node key is another one than was recorded: a control server that was set up
 * again counts its ids from 1.
 * @returns undefined if it is gone
 */
export async function removeRecorded(
  api: TailnetApi,
  { id, nodeKey }: RecordedDevice,
): Promise<NotDeleted | undefined> {
  try {
    const found = await api.device(id);
    if (found && found.nodeKey !== nodeKey) {
      return { reason: "it has another node key than the one that was recorded.", isForeign: true };
    }
    if (found) await api.remove(id);
    return undefined;
  } catch (error) {
    return { reason: messageOf(error), isForeign: false };
  }
}

/** What a person does about a device that is left. */
export function leftDevice({ service }: Pick<TailnetApi, "service">, { id }: RecordedDevice): string {
  return service === "headscale"
    ? `If it is the host's, delete it on the control server: headscale nodes delete --identifier ${id}`
    : `If it is the host's, delete it: https://login.tailscale.com/admin/machines, id ${id}`;
}

/** Deletes the devices of earlier installations, whose disk is wiped: the new one can have their name then. */
export async function removeFormer(installation: Installation): Promise<void> {
  const { tailnetApi: api, journal, report } = installation;
  const former = journal.journal.tailnet?.former ?? [];
  if (!api || former.length === 0) return;
  const left: RecordedDevice[] = [];
  for (const device of former) {
    const kept = await removeRecorded(api, device);
    if (!kept) continue;
    if (!kept.isForeign) left.push(device);
    report("tailnet", `the old device ${device.id} is still in the tailnet: ${kept.reason} ${leftDevice(api, device)}`);
  }
  await journal.tailnetIs({ former: left });
}

/** The device behind an address at which the host answered with its pinned key. */
export async function deviceAt(api: TailnetApi, address: string): Promise<TailnetDevice | undefined> {
  return (await api.devices()).find(({ addresses }) => addresses.includes(address));
}

/**
 * Records which device the host is, tries again to delete earlier ones, and gives the host its own name. A failure is reported: the host
 * is installed and reached all the same.
 * @param address at which the host answered with its pinned key
 */
export async function recordDevice(installation: Installation, address: string): Promise<void> {
  const { tailnetApi: api, journal, settings, report } = installation;
  if (!api) return;
  try {
    const device = await deviceAt(api, address);
    if (!device) {
      report("tailnet", `${api.service} lists no device at ${address}, so none was recorded`);
      return;
    }
    const { id, nodeKey, name } = device;
    // Tailscale may give the same id to a host that is installed again.
    const former = (journal.journal.tailnet?.former ?? []).filter((each) => each.id !== id);
    await journal.tailnetIs({ device: { id, nodeKey }, former });
    await removeFormer(installation);
    if (name === settings.host) return;
    await api.rename(id, settings.host);
    report("tailnet", `renamed the device from ${name} to ${settings.host}`);
  } catch (error) {
    report("tailnet", `its device in the tailnet may have another name: ${messageOf(error)}`);
  }
}
