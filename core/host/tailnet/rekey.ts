import { randomBytes } from "node:crypto";
import { UserError } from "../../base/errors.ts";
import { exitCodes } from "../../base/exit-codes.ts";
import { takeHostLock } from "../../base/machine/file-lock.ts";
import { createTailnetApi } from "../../base/tailnet/api.ts";
import type { TailnetApi } from "../../base/tailnet/types.ts";
import { hostLayoutOf } from "../../project/layout.ts";
import { hasTailnet } from "../../project/settings/host.ts";
import { askHost } from "../reach/ask.ts";
import { findRoute, noRoute } from "../reach/route.ts";
import { type SshRoute, ssh } from "../reach/ssh.ts";
import { readTailnetClient } from "../reach/tailnet-client.ts";
import { keySeconds, tagsOf } from "./auth-key.ts";
import { retryLeft, retryLeftLocked } from "./leave.ts";
import { noteLeft } from "./left.ts";
import { type Confirmed, followRekey, type Order } from "./rekey-follow.ts";
import { orderRekey, parseRekey, refusedRekey, rekeyQuestion } from "./rekey-orders.ts";
import { recordNewDevice } from "./rekey-record.ts";
import type { Rekey, Rekeyed } from "./rekey-request.ts";

/**
 * Checks what can be checked without the host: that it has a tailnet, that there is a key to join with or credentials that the tailnet's
 * API accepts, and that this machine is in the tailnet.
 * @returns the API, if there are credentials
 * @throws UserError if not; nothing was changed
 */
export async function checkRekey(request: Omit<Rekey, "report" | "deadlineSeconds">): Promise<TailnetApi | undefined> {
  const { settings, local, authKey, signal } = request;
  const { host } = settings;
  const refusal = { exitCode: exitCodes.settings };
  if (!hasTailnet(settings)) {
    const problem = 'is "none", so the host is in no tailnet. Nothing was changed.';
    throw new UserError({ subject: host, setting: "clawdlets:tailnet", problem }, refusal);
  }
  if (!local.tailnetApi && authKey === undefined) {
    const variables =
      settings.tailnet === "headscale"
        ? "HEADSCALE_API_KEY"
        : "TAILSCALE_OAUTH_CLIENT_ID and TAILSCALE_OAUTH_CLIENT_SECRET";
    const problem =
      "needs a key to join with, and .clawdlets/.env has no credentials to mint one. Nothing was changed.";
    const fix = `Set ${variables} there, or make a key yourself and pass its file: clawdlets tailnet rekey --host ${host} --auth-key-file FILE`;
    throw new UserError({ subject: host, problem, fix }, refusal);
  }
  const { problem: wrong } = await readTailnetClient(local, signal);
  if (wrong) {
    throw new UserError({ subject: host, ...wrong, problem: `${wrong.problem} Nothing was changed.` }, refusal);
  }
  if (!local.tailnetApi) return undefined;
  const api = createTailnetApi(local.tailnetApi, { signal });
  await api.check();
  return api;
}

/**
 * Makes a host a new device of its tailnet: mints a key, sends it, and confirms the new device over a new session at its own address. The
 * host keeps the old identity until then, and rolls back to it on its own if no confirmation comes. Then the old recorded device is
 * deleted, and its name given to the new one. Holds the host's lock on this machine.
 * @throws UserError (returned) if the host rolled back, (unseen) if the outcome is unknown, (failed, settings, api) if nothing was
 * changed
 */
export async function rekey(request: Rekey): Promise<Rekeyed> {
  const { layout, settings, local, signal } = request;
  const { host } = settings;
  const api = await checkRekey(request);
  const files = hostLayoutOf(layout, host);
  // What earlier runs have left, so that it does not pile up.
  await retryLeft({ files, local, host, signal });
  const lost = new AbortController();
  const release = await takeHostLock(files.lock, host, (error) => lost.abort(error));
  try {
    return await underLock({ ...request, signal: AbortSignal.any([signal, lost.signal]) }, api);
  } finally {
    await release();
  }
}

async function underLock(request: Rekey, api: TailnetApi | undefined): Promise<Rekeyed> {
  const { layout, settings, local, signal } = request;
  const { host } = settings;
  const files = hostLayoutOf(layout, host);
  const found = await findRoute({ layout, settings, local, signal });
  if (!found.route) throw noRoute(host, found, "Nothing was changed.");
  // Without the signal: also after Ctrl-C the key is revoked, and what cannot be is noted.
  const tidy = () => retryLeftLocked({ files, local, host });
  let confirmed: Confirmed;
  try {
    const key = request.authKey ?? (await mintedKey(request, api, files.tailnetLeft));
    confirmed = await changed(request, found.route, key, async (nodeKey) => {
      const stray = (await api?.devices())?.find((device) => device.nodeKey === nodeKey);
      if (stray) await noteLeft(files.tailnetLeft, { devices: [{ id: stray.id, nodeKey }], keys: [] });
    });
  } catch (error) {
    await tidy();
    throw error;
  }
  const recorded = await recordNewDevice(request, api, confirmed);
  const tried = await tidy();
  const name = await recorded.rename(tried);
  const device = recorded.device && { ...recorded.device, name };
  return { host, ...(device && { device }), address: confirmed.route.address, tried };
}

/** Its id is noted before anything can go wrong with it, its value nowhere. */
async function mintedKey(
  { settings, report }: Rekey,
  api: TailnetApi | undefined,
  tailnetLeft: string,
): Promise<string> {
  if (!api) throw new Error("neither a key nor an API that mints one");
  const { host } = settings;
  const tags = tagsOf(settings);
  const { key, id, expires } = await api.mint({ host, tags, seconds: keySeconds });
  await noteLeft(tailnetLeft, { devices: [], keys: [{ id, expires }] });
  report(`minted an auth key, for one machine and an hour, with ${tags.join(", ")}`);
  return key;
}

async function changed(
  request: Rekey,
  route: SshRoute,
  key: string,
  onStray: (nodeKey: string) => Promise<void>,
): Promise<Confirmed> {
  const { settings, deadlineSeconds, signal, report } = request;
  const { host } = settings;
  const id = randomBytes(8).toString("hex");
  const order: Order = { id, route, endsAt: new Date(Date.now() + deadlineSeconds * 1000) };
  const answer = await orderRekey(route, `begin ${id} ${deadlineSeconds}\n${key}\n`, signal);
  if (answer.kind === "refused") throw refusedRekey(host, answer.refusal);
  // The answer may be lost although the host took the order.
  if (answer.kind === "no-answer") await refuseIfUnheard(request, order);
  report("sent the key: unless the new device is confirmed, the host rolls back to its old one", deadlineSeconds);
  return followRekey(request, order, onStray);
}

async function refuseIfUnheard({ settings, signal }: Rekey, { id, route }: Order): Promise<void> {
  const run = (command: string) => ssh(route, command, { timeoutSeconds: 20, signal });
  const seen = await askHost(run, { rekey: rekeyQuestion });
  if (!seen || parseRekey(seen.rekey)?.id === id) return;
  throw new UserError({ subject: settings.host, problem: "the ssh session ended too early. Nothing was changed." });
}
