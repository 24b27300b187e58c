import { messageOf } from "../../base/errors.ts";
import { createTailnetApi } from "../../base/tailnet/api.ts";
import type { LocalSettings } from "../../project/settings/host.ts";
import { readJournal } from "../journal.ts";
import { leftDevice, removeRecorded } from "./devices.ts";

interface Leaving {
  /** Path of the host's journal. */
  journal: string;
  local: Pick<LocalSettings, "tailnetApi">;
  host: string;
  tell: (text: string) => void;
}

/**
 * Deletes the recorded devices of a destroyed host from the tailnet, and revokes a key that was not used. A failure is only reported,
 * with the id: the server is gone all the same.
 */
export async function leaveTailnet({ journal, local, host, tell }: Leaving): Promise<void> {
  const { device, former = [], key } = readJournal(journal)?.tailnet ?? {};
  const recorded = [...former, ...(device ? [device] : [])];
  if (recorded.length === 0 && !key) return;
  if (!local.tailnetApi) {
    const ids = recorded.map(({ id }) => id).join(", ");
    if (ids !== "") {
      tell(
        `${host}: its device ${ids} stays in the tailnet, because .clawdlets/.env has no credentials for the tailnet's API. Delete it in the admin console.`,
      );
    }
    return;
  }
  const api = createTailnetApi(local.tailnetApi);
  for (const each of recorded) {
    const reason = await removeRecorded(api, each);
    if (reason === undefined) tell(`${host}: deleted its device ${each.id} from the tailnet`);
    else tell(`${host}: its device ${each.id} is still in the tailnet: ${reason} ${leftDevice(api, each)}`);
  }
  if (!key) return;
  await api.revoke(key.id).catch((error: unknown) => {
    tell(`${host}: the auth key ${key.id} could not be revoked, and expires ${key.expires}: ${messageOf(error)}`);
  });
}
