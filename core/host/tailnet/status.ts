import { messageOf } from "../../base/errors.ts";
import type { Objection } from "../../base/problem.ts";
import { createTailnetApi } from "../../base/tailnet/api.ts";
import type { TailnetDevice } from "../../base/tailnet/types.ts";
import { shellQuoted } from "../../base/wording.ts";
import { hostLayoutOf, type Layout } from "../../project/layout.ts";
import type { HostSettings, LocalSettings } from "../../project/settings/host.ts";
import { readJournal } from "../journal.ts";
import { adminRoute, saidBy } from "../reach/route.ts";
import { hasOtherKey, ssh } from "../reach/ssh.ts";
import { namesakesOf } from "../reach/tailnet.ts";
import { readTailnetClient, type TailnetNode } from "../reach/tailnet-client.ts";
import { expiryOf } from "../reach/tailnet-expiry.ts";
import { retryLeft, type Tried } from "./leave.ts";
import { parseRekey, rekeyPhase, rekeyQuestion } from "./rekey-orders.ts";

/** A machine that has the host's name in the tailnet. */
export interface NamedMachine {
  id: string;
  name: string;
  addresses: string[];
  tags: string[];
  online: boolean;
  /** True after an ssh session with the pinned key, false if it has another key; undefined without a session that tells. */
  isHost?: boolean;
  /** Why there was no session, in ssh's words. */
  reason?: string;
  /** What a change of the host's device waits for; omitted if none is under way. */
  rekey?: string;
  /** Only if its key has expired, or does within 30 days. */
  expiry?: string;
}

export interface TailnetStatus {
  /** This machine's own client. */
  client: { ok: boolean; problems: Objection[] };
  machines: NamedMachine[];
  /** The device that was recorded at the last installation, as the control server knows it now. */
  recorded?: { id: string; device?: TailnetDevice; problem?: string };
  /** Old devices and keys that earlier runs could not delete: tried again now. */
  left: Tried[];
}

interface StatusRequest {
  layout: Layout;
  settings: HostSettings;
  local: LocalSettings;
  signal: AbortSignal;
}

/** What this machine's client and, with credentials, the control server know of one host. Tries again to delete what is left. */
export async function tailnetStatus(request: StatusRequest): Promise<TailnetStatus> {
  const { settings, local, signal } = request;
  const client = await readTailnetClient(local, signal);
  const named = namesakesOf(settings.host, client.peers);
  const look = (peer: TailnetNode) => describe(request, peer, client.problem === undefined, client.isUserspace);
  const files = hostLayoutOf(request.layout, settings.host);
  const [machines, recorded, left] = await Promise.all([
    Promise.all(named.map(look)),
    recordedDevice(request),
    retryLeft({ files, local, host: settings.host, signal }),
  ]);
  return {
    client: {
      ok: client.problem === undefined,
      problems: [...(client.problem ? [client.problem] : []), ...client.warnings],
    },
    machines,
    ...(recorded && { recorded }),
    left,
  };
}

async function describe(
  { layout, settings, local, signal }: StatusRequest,
  peer: TailnetNode,
  tries: boolean,
  isUserspace: boolean,
): Promise<NamedMachine> {
  const addresses = peer.TailscaleIPs ?? [];
  const expiry = expiryOf(peer, new Date());
  const known: NamedMachine = {
    id: peer.ID,
    name: peer.DNSName.split(".")[0] || peer.HostName,
    addresses,
    tags: peer.Tags ?? [],
    online: peer.Online,
    ...(expiry && { expiry: expiry.state === "expired" ? `expired on ${expiry.on}` : `expires on ${expiry.on}` }),
  };
  const [address] = addresses;
  if (!tries || !peer.Online || address === undefined) return known;
  const proxy = isUserspace ? `${shellQuoted(local.tailscale.replaceAll("%", "%%"))} nc %h %p` : undefined;
  const route = await adminRoute({ layout, settings, local }, address, proxy);
  const { exitCode, stdout, stderr } = await ssh(route, rekeyQuestion, { timeoutSeconds: 20, signal });
  if (exitCode === 255) return { ...known, ...(hasOtherKey(stderr) && { isHost: false }), reason: saidBy(stderr) };
  const rekey = rekeyPhase(parseRekey(stdout));
  return { ...known, isHost: true, ...(rekey !== undefined && { rekey }) };
}

async function recordedDevice({ layout, settings, local, signal }: StatusRequest): Promise<TailnetStatus["recorded"]> {
  const id = readJournal(hostLayoutOf(layout, settings.host).journal)?.tailnet?.device?.id;
  if (id === undefined || !local.tailnetApi) return id === undefined ? undefined : { id };
  try {
    const limits = { attempts: 2, maxWaitSeconds: 3 };
    const device = await createTailnetApi(local.tailnetApi, { signal, limits }).device(id);
    return device ? { id, device } : { id, problem: "the control server has no such device any more." };
  } catch (error) {
    return { id, problem: messageOf(error) };
  }
}
